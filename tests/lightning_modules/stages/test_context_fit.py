"""Features that are kept for the context; its training is tested with whole runs in tests/workflows."""

import pytest
import torch

from common.errors import UserError
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.orientation import turn_half
from lightning_modules.stages.context_fit import keep_features
from tests.helpers.training import small_config

NET = ["model=resnet18", "model.cut=layer1", "head.logits=null", "head.orientation=true"]
CONTEXT = ["context.enabled=true", "context.fit.draws=1", "context.width=8", "context.heads=2"]
CLASSES = ("1", "2", "3")


@pytest.fixture
def config(tmp_path):
    return small_config(tmp_path, *NET, *CONTEXT)


@pytest.fixture
def model(config) -> Classifier:
    return build_classifier(config, CLASSES, None)[0].eval()


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Two cells of two and of three images, mixed."""
    image = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    numbers = {"label": [0, 1, 2, 0, 1], "index": [0, 1, 2, 3, 4], "cell": [0, 1, 0, 1, 1]}
    return {"image": image, **{name: torch.tensor(values) for name, values in numbers.items()}}


def test_they_are_those_of_each_image_alone_and_of_its_turned_half(model, config, batch):
    first, second = keep_features(model, iter([batch]), config, draw=0)
    assert [first.label.tolist(), second.label.tolist()] == [[0, 2], [1, 0, 1]]
    _, turned = turn_half(batch["image"], batch["index"], 0)
    assert 0 < int(turned.sum()) < len(turned)
    with torch.no_grad():
        plain = model.both_logits(batch["image"], None)
        flipped = model.both_logits(batch["image"].flip(-2, -1), None)
    expected = torch.where(turned[:, None], flipped.embedding, plain.embedding)
    assert torch.allclose(first.features, expected[[0, 2]], atol=1e-5)
    assert torch.allclose(second.features, expected[[1, 3, 4]], atol=1e-5)
    logits = torch.where(turned[:, None], model.class_logits(flipped.alone), model.class_logits(plain.alone))
    assert torch.allclose(first.logits, logits[[0, 2]], atol=1e-5)
    again = keep_features(model, iter([batch]), config, draw=1)
    other_way = torch.where(turned[:, None], plain.embedding, flipped.embedding)
    assert torch.allclose(again[0].features, other_way[[0, 2]], atol=1e-5)


def test_a_network_that_gives_no_numbers_is_an_error(model, config, batch):
    torch.nn.init.constant_(model.head[-1].bias, torch.nan)
    with pytest.raises(UserError, match=r"gives no numbers .*unfreeze\.stages"):
        keep_features(model, iter([batch]), config, draw=0)


def test_without_its_context_a_classifier_is_the_network_alone(model, batch):
    torch.nn.init.constant_(model.context.correction.bias, 1.0)
    keys = model.state_dict().keys()
    with torch.no_grad(), model.without_context():
        logits = model.both_logits(batch["image"], batch["cell"])
        assert torch.equal(logits.corrected, logits.alone)
        assert {name for name in keys if not name.startswith("context.")} == model.state_dict().keys()
    assert model.state_dict().keys() == keys

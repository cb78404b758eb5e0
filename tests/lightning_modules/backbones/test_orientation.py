"""A head with orientation: what is turned, what is trained on it, and predictions that do not depend on it."""

import numpy as np
import pytest
import torch
from torch import nn

from karyocyte.config.schema import InferenceConfig, LossConfig
from karyocyte.runs.facts import ModelFacts
from lightning_modules.backbones.orientation import loss_by_orientation, turn, turn_half
from lightning_modules.build.load import load_run
from lightning_modules.losses import CrossEntropy
from lightning_modules.modules.classifier import Classifier
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.prediction.predictor import Predictor
from lightning_modules.training.predict import predict
from tests.helpers.training import small_config, write_untrained_run
from tests.lightning_modules.tiny import MemoryData

NET = ["model=resnet18", "model.cut=layer1", "unfreeze=whole", "head.orientation=true", "head.logits=null"]
PASSES = ["head.layers=[gap,{dropout: 0.5}]", "inference.mc_passes=3"]


class Pixels(nn.Module):
    """A backbone whose features are the pixels, so that nothing is symmetric."""

    def forward_features(self, image):
        return image.flatten(1)


def oriented(classes=3):
    torch.manual_seed(0)
    settings = TrainingSettings(LossConfig(label_smoothing=0.1))
    facts = ModelFacts([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], {})
    return Classifier(Pixels(), nn.Linear(3 * 6 * 4, 2 * classes), classes, facts, settings, orientation=True)


def images(count=5):
    return torch.rand(count, 3, 6, 4, generator=torch.Generator().manual_seed(1))


def test_an_image_is_turned_in_every_second_epoch_and_half_of_them_in_each():
    image, index = images(6), torch.tensor([4, 7, 8, 9, 0, 3])
    first, turned = turn_half(image, index, 0)
    second, others = turn_half(image, index, 1)
    assert 0 < turned.sum() < 6
    assert torch.equal(others, ~turned)
    assert torch.equal(first[turned], image[turned].rot90(2, (2, 3)))
    assert torch.equal(first[~turned], image[~turned])
    assert torch.equal(turn(second), first)


@pytest.mark.parametrize("apart", [1, 2, 3, 46])
def test_whether_an_image_is_turned_says_nothing_of_its_neighbours(apart):
    _, turned = turn_half(torch.zeros(4000, 1, 1, 1), torch.arange(4000), 0)
    assert turned.float().mean() == pytest.approx(0.5, abs=0.03)
    assert (turned[apart:] == turned[:-apart]).float().mean() == pytest.approx(0.5, abs=0.03)


def test_the_training_loss_is_that_of_class_and_orientation():
    model, image = oriented(), images()
    model.log = lambda *_, **__: None
    label, index = torch.tensor([0, 1, 2, 1, 0]), torch.arange(5)
    step = model.training_step({"image": image, "label": label, "index": index}, 0)
    shown, turned = turn_half(image, index, 0)
    target = label + 3 * turned
    expected = nn.functional.cross_entropy(model.head_logits(shown), target, label_smoothing=0.1)
    torch.testing.assert_close(step["loss"], expected)
    assert torch.equal(step["correct"], model(shown).argmax(1) == label)


def test_views_count_alike():
    model, image = oriented(), images()
    output = Predictor(model, InferenceConfig(mirror=True))(image)
    views = [image, image.flip(-1), turn(image), turn(image.flip(-1))]
    joint = [model.head_logits(view).softmax(1).unflatten(1, (2, 3)) for view in views]
    upside_down = (joint[0] + joint[1])[:, 1].sum(1) + (joint[2] + joint[3])[:, 0].sum(1)
    torch.testing.assert_close(output["probability"], sum(joint).sum(1) / 4)
    torch.testing.assert_close(output["upside_down"], upside_down / 4)


@pytest.mark.parametrize("passes", [[], PASSES], ids=["plain", "mc_dropout"])
def test_predictions_of_a_run_say_which_images_are_upside_down(tmp_path, passes):
    config = small_config(tmp_path, *NET, *passes)
    written = write_untrained_run(tmp_path / "run", config)
    model, data = load_run(tmp_path / "run").classifier, MemoryData(count=6)
    image = data.images.float() / 255
    with torch.no_grad():
        assert torch.equal(model(image), written(image))
    predicted = predict(model, data, config)
    assert ((predicted.upside_down > 0) & (predicted.upside_down < 1)).all()
    assert predicted.probabilities.shape == (6, 2)
    if passes:
        assert predicted.passes.shape == (3, 6, 2)
        assert predicted.passes.sum(axis=2) == pytest.approx(np.ones((3, 6)), abs=1e-5)


def test_of_images_of_unknown_orientation_only_the_class_counts():
    logits = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    target, loss = torch.tensor([0, 4, 5, 3, 2]), CrossEntropy()
    unknown = loss_by_orientation(loss, logits, target, torch.zeros(5, dtype=torch.bool))
    probability = logits.softmax(1)
    of_class = (probability[:, :3] + probability[:, 3:]).log()[range(5), target % 3]
    torch.testing.assert_close(unknown, -of_class.mean())
    known = loss_by_orientation(loss, logits, target, torch.ones(5, dtype=torch.bool))
    torch.testing.assert_close(known, loss(logits, target))
    upright = torch.tensor([True, False, True, False, True])
    mixed = loss_by_orientation(loss, logits, target, upright)
    per_image = torch.where(upright, probability.log()[range(5), target], of_class)
    torch.testing.assert_close(mixed, -per_image.mean())

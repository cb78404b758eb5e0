"""A classifier in Python, by names."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from karyocyte.common.errors import UserError
from karyocyte.common.installed import conf_files
from karyocyte.composition.compose import compose_config
from karyocyte.runs.stages import stages_of
from lightning_modules.build.build import build_classifier
from lightning_modules.build.create import create_classifier
from lightning_modules.modules.classifier import Classifier
from lightning_modules.modules.staged_module import count_parameters
from lightning_modules.networks import scratch_cnn  # noqa: F401 (it registers itself)
from tests.lightning_modules.tiny import fit_a_batch, quiet_trainer

EXPERIMENTS = [path.stem for path in conf_files("experiment")]


def optimizer_facts(model: Classifier) -> tuple[type, dict, object]:
    """Return what an optimiser and its schedule are: their classes, and the arguments of the first."""
    model.steps = 10
    built = model.configure_optimizers()
    if isinstance(built, dict):
        return type(built["optimizer"]), built["optimizer"].defaults, type(built["lr_scheduler"]["scheduler"])
    return type(built), built.defaults, None


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_in_python_is_the_network_of_its_file(name, monkeypatch, undrawn_layers):
    monkeypatch.delenv("KARYOCYTE_WEIGHTS_DIR", raising=False)
    size = 80 if re.search("inception|alexnet", name) else 64
    if name in ("chromosomes", "adapt"):
        size = (64, 24)
    words = ["weights=random", f"prepare.size={list(size) if isinstance(size, tuple) else size}"]
    if "karyogram" in name:
        words.append("prepare.augment_at=null")
    config = compose_config([f"+experiment={name}", *words, "init_from=null"])
    classes = {"mnist": 10, "cifar10": 10, "chromosomes": 24, "adapt": 24}.get(name.rpartition("_")[2], 2)
    expected, _ = build_classifier(config, [str(number) for number in range(classes)])
    expected.configure_stage(list(stages_of(config).values())[-1])
    model = create_classifier(experiment=name, weights="random", image_size=size)
    assert count_parameters(model) == count_parameters(expected)
    assert [*model.state_dict()] == [*expected.state_dict()]
    assert optimizer_facts(model) == optimizer_facts(expected)


def test_an_experiment_with_an_output_per_class_takes_their_number_or_asks_for_it(monkeypatch):
    monkeypatch.setattr("lightning_modules.build.create.CLASSES", {})  # as of an own experiment
    with pytest.raises(UserError, match="say num_classes=3"):
        create_classifier(experiment="anet_c6_mnist", weights="random")
    assert create_classifier(experiment="anet_c6_mnist", weights="random", num_classes=np.int64(7)).num_classes == 7


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (
            {"backbone": "anet_c6", "num_classes": 24, "image_size": 227},
            r"create_classifier\(experiment='anet_c6_chromosomes'\)",
        ),
        ({"backbone": "mobilenetv3_small_050", "num_classes": 3}, r"head=\['gap'\]"),
        ({"backbone": "resnet18", "num_classes": "3"}, "number of classes"),
        ({"backbone": "resnet18", "experiment": "adapt"}, "either"),
        ({"backbone": "resnet18", "num_classes": 3, "optimizer": "adamx"}, 'optimizer="adamx": .* adamw'),
        ({"backbone": "resnet18", "num_classes": 3, "lr": -1}, "^lr: "),
        ({"backbone": "resnet18", "num_classes": 3, "lr": object()}, "^lr=<object .* give a number"),
        ({"backbone": nn.Flatten, "num_classes": 3}, "not its class"),
        ({"backbone": nn.Flatten(), "num_classes": 3, "cut": "layer1"}, "without cut and weights"),
        ({"backbone": nn.Linear(3, 3), "num_classes": 3}, "image_size: .* refuses images of 64x64 px"),
        ({"backbone": nn.Flatten(), "num_classes": 3}, r"gives \(12288,\) .* num_classes=3: .* name a head"),
        ({"experiment": "anet_c6_chromosome"}, "anet_c6_chromosomes"),
    ],
)
def test_what_is_no_such_classifier_is_refused_with_the_right_call(wrong, remedy):
    with pytest.raises(UserError, match=remedy) as refusal:
        create_classifier(**{"image_size": 64, **wrong})
    assert refusal.value._render_traceback_() == [f"UserError: {refusal.value}"]  # in a notebook, the sentence alone
    assert refusal.value.__cause__ is None  # in a program, without the traceback of Hydra


def test_head_optimizer_and_rate_are_arguments():
    head = ["flatten", {"dense": np.int64(16)}, {"dropout": 0.3}]
    model = create_classifier("resnet18", 3, cut="layer1", image_size=32, head=head, optimizer="sgd", lr=np.half(0.03))
    assert [*dict(model.head.named_children())] == ["flatten1", "dense1", "relu1", "dropout1", "logits"]
    optimizer = model.configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["lr"] == pytest.approx(0.03, rel=1e-3)


def test_first_weights_follow_the_seed_of_torch():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(create_classifier("resnet18", 3, cut="layer1", image_size=32).head.logits.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


class Colours(nn.Module):
    """A network of a user's own: the mean colours of images, and a number for each class, or for each of two one."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(3, outputs)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(image.mean((2, 3)))


class OwnClassifier(Classifier):
    """A classifier of a user's own."""


@pytest.mark.parametrize(
    ("outputs", "classes", "head"), [(3, 3, None), (1, 2, None), (2, 2, None), (5, 3, [{"dropout": 0.5}])]
)
def test_an_own_network_and_an_own_classifier_train_and_are_loaded_with_the_network(outputs, classes, head, tmp_path):
    model = create_classifier(Colours(outputs), classes, image_size=32, head=head, lr=0.1, cls=OwnClassifier)
    trainer, loader = fit_a_batch(model)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded = OwnClassifier.load_from_checkpoint(tmp_path / "own.ckpt", network=Colours(outputs))
    assert type(model) is type(loaded) is OwnClassifier
    image = next(iter(loader))["image"]
    assert torch.equal(loaded.eval()(image), model.eval()(image))
    with pytest.raises(UserError, match="network of your own: add network="):
        OwnClassifier.load_from_checkpoint(tmp_path / "own.ckpt")


@pytest.mark.parametrize("classes", [2, 3])
def test_a_label_without_a_class_is_refused_with_the_number_of_classes(classes):
    model = create_classifier(Colours(classes), classes, image_size=32)
    loader = DataLoader([{"image": torch.rand(4, 3, 32, 32), "label": torch.arange(4)}], batch_size=None)
    trainer = quiet_trainer(fast_dev_run=True)
    with pytest.raises(UserError, match=f"label 3, .* num_classes={classes}: .* num_classes=4"):
        trainer.fit(model, loader)
    with pytest.raises(UserError, match="num_classes=4"):
        trainer.test(model, loader)

"""Classes and preparation travel with the weights: images are numbered as the classifier numbers them, or refused."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules import FolderDataModule, TableDataModule
from datamodules.feature_datamodule import FeatureDataModule
from karyocyte.common.errors import UserError
from lightning_modules import Classifier, create_classifier
from tests.helpers.images import write_class_folders
from tests.lightning_modules.tiny import quiet_trainer

KEYS = {"size": 32, "batch_size": 8, "near_duplicates": "off", "progress": False}


def fit(model, data):
    one = quiet_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    one.fit(model, data)
    return one


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folders of three classes, of two of them, of one more and of others, and checkpoints of the first two."""
    home = tmp_path_factory.mktemp("task")
    for name, classes in (("three", "abc"), ("two", "bc"), ("more", "abcd"), ("others", "abx")):
        write_class_folders(home / name, dict.fromkeys(classes, 6))
    files = sorted((home / "three").rglob("*.png"), reverse=True)
    rows = [{"path": path.relative_to(home).as_posix(), "label": path.parent.name} for path in files]
    pd.DataFrame(rows).to_csv(home / "labels.csv", index=False)
    for name, positive in (("three", None), ("two", "c")):
        torch.manual_seed(0)
        model = create_classifier("resnet18", num_classes=3 if name == "three" else 2, cut="layer1", lr=0.01)
        fit(model, folder(home, name, positive_class=positive)).save_checkpoint(home / f"{name}.ckpt")
    return home


def folder(home, name="three", **keys):
    return FolderDataModule(home / name, **{**KEYS, "cache_dir": home / "cache", **keys})


def features(home, **keys):
    data = folder(home, **keys)
    data.setup()
    return FeatureDataModule(data)


@pytest.mark.parametrize(
    ("checkpoint", "data"),
    [
        ("three", folder),
        ("three", lambda home: folder(home, "two", positive_class="b")),
        ("three", lambda home: folder(home, "two", positive_class="c")),
        ("three", lambda home: folder(home, classes=["c", "a", "b"])),
        ("three", lambda home: TableDataModule(home, **KEYS, cache_dir=home / "cache")),
        ("two", lambda home: folder(home, "two", positive_class="c")),
    ],
    ids=["same", "class missing", "the other of two", "other order", "table", "two classes"],
)
def test_an_evaluation_numbers_the_classes_as_the_classifier_does(home, checkpoint, data):
    data = data(home)
    model = Classifier.load_from_checkpoint(home / f"{checkpoint}.ckpt")
    outputs = quiet_trainer().predict(model, data)
    probability, index = (torch.cat([batch[key] for batch in outputs]) for key in ("probability", "index"))
    predicted = np.array(model.task.classes)[probability.argmax(1)]
    tested = np.isin(index, data.rows("test"))
    expected = (predicted == data.manifest.frame["label"].to_numpy()[index])[tested].mean()
    saved = {"ckpt_path": home / f"{checkpoint}.ckpt", "weights_only": True}
    trainer = quiet_trainer()
    trainer.test(model, folder(home, checkpoint, positive_class="c" if checkpoint == "two" else None), **saved)
    untrained = create_classifier("resnet18", num_classes=model.num_classes, cut="layer1")
    for tested, how in ((model, {}), (untrained, saved)):
        assert trainer.test(tested, data, verbose=False, **how)[0]["test/acc"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("checkpoint", "data", "words"),
    [
        ("three", lambda home: folder(home, "more"), "a, b, c apart, these images a, b, c, d"),
        ("three", lambda home: folder(home, "others"), "a, b, c apart, these images a, b, x"),
        ("two", lambda home: folder(home, "three"), r"b, c \(positive c\) apart, these images a, b, c"),
        ("two", lambda home: folder(home, "two", positive_class="b"), r"b, c \(positive c\) .* c, b \(positive b\)"),
        ("three", lambda home: folder(home, size=40), "trained with size=32, these images have size=40"),
        ("three", lambda home: folder(home, clahe=True, crop=False), "crop=True, clahe=False, these .*clahe=True"),
        ("three", lambda home: features(home, clahe=True), "clahe=False, these .*=True"),
    ],
    ids=["class more", "other names", "other number", "other positive class", "size", "CLAHE", "features"],
)  # fmt: skip
def test_an_evaluation_of_another_task_shows_both(home, checkpoint, data, words):
    model = Classifier.load_from_checkpoint(home / f"{checkpoint}.ckpt")
    with pytest.raises(UserError, match=words):
        quiet_trainer().predict(model, data(home))


def test_a_fit_goes_on_with_the_same_classes_and_takes_their_preparation(home, tmp_path):
    model = Classifier.load_from_checkpoint(home / "three.ckpt")
    fit(model, folder(home, size=40)).save_checkpoint(tmp_path / "larger.ckpt")
    assert Classifier.load_from_checkpoint(tmp_path / "larger.ckpt").task.prepare.size == 40
    with pytest.raises(UserError, match="a, b, c apart, these images c, b"):
        fit(model, folder(home, "two", positive_class="b"))
    with pytest.raises(UserError, match="2 classes, the images are of a, b, c: set num_classes=3"):
        fit(create_classifier("resnet18", num_classes=2, cut="layer1"), folder(home))


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ([torch.rand(2, 3, 32, 32), torch.tensor([0, 1])], "a batch is a list"),
        ({"image": torch.full((2, 3, 32, 32), 2.0), "label": torch.tensor([0, 1])}, "images from 2 to 2"),
    ],
)
def test_what_is_no_batch_of_images_between_0_and_1_is_refused(batch, words):
    model = create_classifier("resnet18", num_classes=2, cut="layer1")
    for step in (model.training_step, model.validation_step):
        with pytest.raises(UserError, match=words):
            step(batch, 0)


def test_a_checkpoint_goes_on_with_its_optimizer_alone(home, tmp_path):
    names = {"num_classes": 3, "cut": "layer1"}
    fit(create_classifier("resnet18", **names), folder(home)).save_checkpoint(tmp_path / "adam.ckpt")
    other = create_classifier("resnet18", optimizer="sgd", **names)
    with pytest.raises(UserError, match="state of torch.optim.Adam"):
        quiet_trainer().fit(other, folder(home), ckpt_path=tmp_path / "adam.ckpt")


@pytest.mark.parametrize("scheduler", ["one_cycle", "cosine"])
def test_a_schedule_of_fixed_length_is_not_made_longer(home, tmp_path, scheduler):
    model = create_classifier("resnet18", num_classes=3, cut="layer1", lr=0.01, scheduler=scheduler)
    fit(model, folder(home)).save_checkpoint(tmp_path / "one.ckpt")
    for epochs, refusal in ((1, nullcontext()), (2, pytest.raises(UserError, match="ends after 1 steps.* has 2"))):
        trainer = quiet_trainer(max_epochs=epochs, limit_train_batches=1, limit_val_batches=1)
        with refusal:
            trainer.fit(model, folder(home), ckpt_path=tmp_path / "one.ckpt")
    quiet_trainer(limit_val_batches=1).validate(model, folder(home), ckpt_path=tmp_path / "one.ckpt")
    quiet_trainer(max_epochs=3, limit_train_batches=1, limit_val_batches=1).fit(model, folder(home))  # another fit
    for endless in ({"max_epochs": -1}, {"max_epochs": None, "max_time": {"seconds": 2}}):
        with pytest.raises(UserError, match="set max_epochs or max_steps"):
            quiet_trainer(**endless).fit(model, folder(home))


def test_a_data_module_forgets_the_numbers_of_a_classifier(home):
    data = folder(home, "two", positive_class="b")
    quiet_trainer().predict(Classifier.load_from_checkpoint(home / "three.ckpt"), data)
    assert set(data.labels) == {1, 2}
    data.setup("fit")
    assert set(data.labels) == {0, 1}

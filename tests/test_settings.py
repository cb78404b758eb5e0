"""Every key of trainer, prepare and loader changes the result, is refused, or is listed with its reason."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from karyocyte.common.errors import UserError
from karyocyte.config.data import CanvasConfig, LoaderConfig, PrepareConfig
from karyocyte.config.schema import TrainerConfig
from karyocyte.workflows.training.train import prepare
from lightning_modules.support.distributed import process_group
from lightning_modules.training.fit import StagedTraining
from tests.helpers.training import small_config

# Not meant to change what is trained, and why; on a CPU the keys of GPUs have nothing to act on.
WITHOUT = {
    "trainer.accelerator": "where it is computed",
    "trainer.channels_last": "the order of numbers in memory",
    "trainer.deterministic": "one result of those that rounding allows",
    "trainer.benchmark": "the fastest algorithm of a GPU",
    "trainer.matmul_precision": "products of a GPU",
    "trainer.enable_progress_bar": "what is shown",
    "loader.workers": "how many processes read",
    "loader.timeout": "how long a batch may take",
}
CLAHE = ["prepare.clahe=true"]
CUT = ["prepare.crop_threshold=80"]
CANVAS = [*CUT, "prepare.background=detect", "prepare.fit=canvas", "prepare.size=[64,48]"]
CANVAS += ["prepare.canvas.oversize=shrink"]
BY_CELL = [*CANVAS, "prepare.canvas.scale_by=cell", "prepare.canvas.unknown_cell=width"]
# Each key with another value, and what it acts beside.
CHANGES = {
    "trainer.devices": ("2", []),
    "trainer.num_nodes": ("2", []),
    "trainer.sync_batchnorm": ("true", []),
    "trainer.precision": ("64-true", []),
    "trainer.max_epochs": ("2", []),
    "trainer.max_images": ("4", []),
    "trainer.accumulate_grad_batches": ("2", []),
    "trainer.gradient_clip_val": ("1e-3", ["optimizer=sgd"]),
    "trainer.limit_train_batches": ("1", []),
    "trainer.limit_val_batches": ("1", []),
    "prepare.size": ("40", []),
    "prepare.background": ("detect", []),
    "prepare.augment_at": ("48", []),
    "prepare.fit": ("stretch", []),
    "prepare.crop": ("false", CUT),
    "prepare.crop_threshold": ("80", []),
    "prepare.clahe": ("true", []),
    "prepare.clahe_clip_limit": ("9.0", [*CLAHE, "prepare.clahe_tiles=2"]),
    "prepare.clahe_tiles": ("2", CLAHE),
    "prepare.canvas.scale_by": ("width", CANVAS),
    "prepare.canvas.scale": ("0.5", CANVAS),
    "prepare.canvas.area": ("200", BY_CELL),
    "prepare.canvas.unknown_cell": ("stop", BY_CELL),
    "prepare.canvas.oversize": ("stop", [*CANVAS, "prepare.canvas.scale=9"]),
    "prepare.canvas.equalize": ("true", CANVAS),
    "loader.batch_size": ("6", []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 pictures of two classes: an ellipse on gray, off the centre, of many sizes."""
    home = tmp_path_factory.mktemp("settings")
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:50, :60]
    for number in range(24):
        across, down = draw.integers(8, 14), draw.integers(14, 20)
        inside = ((rows - 24) / down) ** 2 + ((columns - 33) / across) ** 2 < 1
        picture = np.where(inside, 130 + 60 * (number % 2), 60) + draw.integers(0, 20, inside.shape)
        path = home / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)).save(path)
    return home


def result(folder, place, *words):
    """Return the weights after a short training, as bytes, with what is recorded of it; None where it is refused."""
    data = ["data=folder", f"data_dir={folder / 'images'}", "data.positive_class=b", "protocol=image"]
    short = ["trainer.max_epochs=1", "model=resnet18", "model.cut=layer1", "unfreeze=whole"]
    try:
        config = small_config(place, *short, f"cache_dir={folder / 'cache'}", *words, data=data)
        with process_group(config.trainer) as world:
            images, model, _ = prepare(config, world)
            images.prepare_data()
            stages = StagedTraining(model, images, config, place / "run").train()
    except UserError:
        return None
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return weights, stages[0].score, stages[0].images_seen, stages[0].epochs


@pytest.fixture(scope="module")
def before(folder):
    """The results without a change, beside what several keys act: each is trained once."""
    return cache(lambda beside: result(folder, folder / "-".join(["before", *beside]), *beside))


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_value_changes_the_training_or_is_refused(folder, before, tmp_path, key):
    value, beside = CHANGES[key]
    unchanged = before(tuple(beside))
    assert unchanged is not None
    assert result(folder, tmp_path / "after", *beside, f"{key}={value}") != unchanged


def test_every_key_is_tried_or_listed():
    keys = {f"loader.{name}" for name in LoaderConfig.model_fields}
    keys |= {f"prepare.{name}" for name in PrepareConfig.model_fields if name != "canvas"}
    keys |= {f"prepare.canvas.{name}" for name in CanvasConfig.model_fields}
    keys |= {f"trainer.{name}" for name in TrainerConfig.model_fields}
    assert keys == CHANGES.keys() | WITHOUT.keys(), "give a new key a value in CHANGES, or its reason in WITHOUT"


def test_the_same_settings_give_the_same_result(folder, before, tmp_path):
    assert result(folder, tmp_path / "again") == before(())

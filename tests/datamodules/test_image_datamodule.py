"""The data module of a configuration: parts, batches, and the files of a run."""

import pickle

import numpy as np
import torch

from datamodules.image_datamodule import ImageDataModule
from datamodules.preprocessing.pipeline import to_shape
from karyocyte.config.distributed import World
from tests.helpers.training import small_config


def prepared(config) -> ImageDataModule:
    data = ImageDataModule(config, progress=False)
    data.setup()
    return data


def by_row(loader) -> dict[int, torch.Tensor]:
    """The images, uint8 (3, H, W), by manifest row."""
    served = {}
    for batch in loader:
        for image, row in zip(batch["image"], batch["index"].tolist(), strict=True):
            served[row] = (image * 255).round().to(torch.uint8)
    return served


def epoch(data: ImageDataModule, number: int) -> dict[int, torch.Tensor]:
    """The images of one epoch by manifest row."""
    data._position = lambda: (number, 0)
    return by_row(data.train_dataloader())


def test_validation_and_test_images_are_the_prepared_ones_untouched_and_once_each(tmp_path):
    data = prepared(small_config(tmp_path, "transform=flips_rotations"))
    served = by_row(data.predict_dataloader())
    assert list(served) == [*data.rows("validation"), *data.rows("test")]
    assert all(np.array_equal(image.numpy().transpose(1, 2, 0), data.images[row]) for row, image in served.items())
    assert len(pickle.dumps(data)) < 1e6  # what a worker process that is not forked is sent outside of a trainer


def test_augmentation_depends_on_the_epoch_and_not_on_the_workers(tmp_path):
    data = prepared(small_config(tmp_path, "transform=flips_rotations"))
    first, again, second = epoch(data, 0), epoch(data, 0), epoch(data, 1)
    assert all(torch.equal(first[row], again[row]) for row in first)
    assert sum(not torch.equal(first[row], second[row]) for row in first) > len(first) / 3
    # Worker processes draw what one process draws.
    shared = epoch(prepared(small_config(tmp_path, "transform=flips_rotations", "loader.workers=2")), 1)
    assert len(shared) == 24
    assert second.keys() == shared.keys()
    assert all(torch.equal(second[row], shared[row]) for row in second)


def test_every_part_is_resized_to_the_networks_size_after_the_augmentation(tmp_path):
    stored = prepared(small_config(tmp_path, "prepare.augment_at=48", "prepare.size=24", "transform=flips_rotations"))
    assert stored.images.shape[1:] == (48, 48, 3)
    assert next(iter(stored.train_dataloader()))["image"].shape[1:] == (3, 24, 24)
    for row, image in by_row(stored.val_dataloader()).items():
        half = stored.images[row].reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
        assert np.abs(image.numpy().transpose(1, 2, 0) - half).max() <= 0.5


def test_images_that_the_starting_point_has_seen_are_a_warning_under_paper(tmp_path):
    first = prepared(small_config(tmp_path, "protocol=paper"))
    first.write_facts(tmp_path / "first")
    (tmp_path / "first" / "status.json").touch()
    overrides = ["protocol=paper", "split.fold=1", f'init_from="{tmp_path / "first"}"']
    second = ImageDataModule(small_config(tmp_path, *overrides), progress=False)
    second.setup()
    assert second.seen > 0
    assert second.facts()["leaks"]["seen_by_start"] == second.seen
    assert any(line.startswith(f"init_from has seen {second.seen} ") for line in second.warnings())


def test_processes_share_the_images_that_one_would_serve(tmp_path):
    config = small_config(tmp_path)
    whole = prepared(config)
    shares = [ImageDataModule(config, progress=False, world=World(3, rank)) for rank in range(3)]
    for share in shares:
        share.setup()
    for loader in ("val_dataloader", "predict_dataloader"):
        rows = [[int(row) for batch in getattr(data, loader)() for row in batch["index"]] for data in (whole, *shares)]
        assert sorted(sum(rows[1:], [])) == sorted(rows[0])
        assert [rows[1 + place % 3][place // 3] for place in range(len(rows[0]))] == rows[0]


def test_training_images_are_served_once_each_and_not_augmented(tmp_path):
    data = prepared(small_config(tmp_path, "balance=paper", "transform=flips_rotations"))
    served = data.of_training_images(1000)
    batches = list(served.predict_dataloader())
    rows = torch.cat([batch["index"] for batch in batches]).numpy()
    assert rows.tolist() == np.unique(data.plan.rows).tolist()
    first = batches[0]["image"][0].permute(1, 2, 0)
    np.testing.assert_array_equal(first, to_shape(data.images[rows[0]], data.config.prepare) / np.float32(255))
    few = data.of_training_images(3).predicted
    assert few.tolist() == [rows[0], rows[(len(rows) - 1) // 2], rows[-1]]
    evaluated = torch.cat([batch["index"] for batch in data.predict_dataloader()]).tolist()
    assert evaluated == [*data.rows("validation"), *data.rows("test")]

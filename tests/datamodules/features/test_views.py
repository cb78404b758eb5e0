"""The views of a training: all that any epoch shows, and the same pixels."""

import numpy as np
import pytest

from datamodules.features.views import TrainingViews, ViewDataModule
from datamodules.image_datamodule import ImageDataModule
from datamodules.transforms.turns import VIEWS
from tests.helpers.training import small_config


def views_of(tmp_path, *overrides: str) -> TrainingViews:
    data = ImageDataModule.from_config(small_config(tmp_path, *overrides), progress=False)
    data.setup()
    return TrainingViews(data)


@pytest.mark.parametrize(
    ("transform", "most"),
    [
        (["transform=none"], 1),
        (["transform=flips_rotations"], 6),
        (["transform=none", "transform.flips=true", "transform.probability=0.5"], 3),
        (["transform=flips_rotations", "transform.each_epoch=false"], 1),
        (["transform=paper", "balance=paper"], 1),
        (["transform=paper", "balance=paper", "transform.each_epoch=true"], 6),
    ],
)
def test_they_are_what_the_epochs_show(tmp_path, transform, most):
    views = views_of(tmp_path, *transform)
    plan = views.data.plan
    items = np.arange(len(plan.rows))
    listed = set(views.all.codes.tolist())
    assert len(listed) == len(views.all.row)
    for epoch in range(20):
        shown = views.of_items(epoch, items)
        assert set(shown.codes.tolist()) <= listed
        for row, copy, view in zip(shown.row, plan.copy, shown.view, strict=True):
            image = np.asarray(views.data.images[row])
            assert np.array_equal(VIEWS[view](image), views.augmentation(image, epoch, int(row), int(copy)))
    assert set(views.data.rows("validation") * len(VIEWS)) <= listed
    assert len(listed) <= most * len(np.unique(plan.rows)) + (plan.copy > 0).sum() + len(views.data.rows("validation"))


def test_they_are_served_as_they_are_listed(tmp_path):
    views = views_of(tmp_path, "transform=flips_rotations")
    module = ViewDataModule(views.data, views.all)
    served = [image for batch, _, _ in module.predict_dataloader() for image in batch.numpy()]
    for image, row, view in zip(served, *views.all, strict=True):
        assert np.array_equal(image.transpose(1, 2, 0), VIEWS[view](np.asarray(views.data.images[row])))


@pytest.mark.parametrize("transform", ["transform.brightness=0.1", "transform.mirror=true", "transform.batched=true"])
def test_what_is_drawn_anew_has_no_end_of_views(tmp_path, transform):
    assert "transform" in views_of(tmp_path, transform).obstacle


def test_flips_and_turns_are_no_obstacle(tmp_path):
    assert views_of(tmp_path, "transform=flips_rotations").obstacle is None

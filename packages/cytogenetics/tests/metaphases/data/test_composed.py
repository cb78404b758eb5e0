"""Pictures that are composed of chromosomes of other pictures."""

import numpy as np
import pytest
import torch

from cytogenetics.metaphases.data.composed import ComposedBoxes
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from karyocyte.common.errors import UserError
from karyocyte.config.data import TransformConfig
from packages.cytogenetics.tests.metaphases.data.sets import ALONE, BOXES, write_metaphases


def composed(tmp_path, boxes, light=None):
    root = write_metaphases(tmp_path / "set", pictures=["1050011"], lists={}, boxes=boxes)
    data = MetaphaseDataModule(data_dir=str(root), cache_dir=str(tmp_path / "cache"), progress=False)
    return ComposedBoxes(data.manifest, np.arange(1), 0, light)


def test_chromosomes_are_taken_of_boxes_that_overlap_no_other(tmp_path):
    assert len(composed(tmp_path / "two", ALONE).chromosomes) == 2
    overlapping = (("A2", (28, 5, 50, 20)), ALONE[1])
    (alone,) = composed(tmp_path / "one", (ALONE[0], *overlapping)).chromosomes
    assert alone.mask.shape[0] > alone.mask.shape[1] * 1.5  # the first one's box
    with pytest.raises(UserError, match="overlaps another"):
        composed(tmp_path / "none", BOXES)


@pytest.mark.parametrize("each_epoch", [True, False])
def test_pictures_are_composed_anew_in_each_epoch_unless_the_key_says_otherwise(tmp_path, each_epoch):
    light = TransformConfig(each_epoch=each_epoch)
    pictures = composed(tmp_path, ALONE, light)
    first, later = (pictures.__getitems__([(epoch, 0)]) for epoch in (0, 1))
    assert torch.equal(first["image"], later["image"]) == (not each_epoch)
    assert set(first["index"].tolist()) == {0}
    assert first["mask"].flatten(1).any(dim=1).all()

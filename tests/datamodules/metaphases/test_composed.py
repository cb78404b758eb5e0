"""Pictures that are composed of chromosomes of other pictures."""

import numpy as np
import pytest

from datamodules.metaphases.composed import ComposedBoxes
from datamodules.metaphases.data_module import MetaphaseDataModule
from karyocyte.common.errors import UserError
from tests.datamodules.metaphases.sets import ALONE, BOXES, write_metaphases


def composed(tmp_path, boxes):
    root = write_metaphases(tmp_path / "set", pictures=["1050011"], lists={}, boxes=boxes)
    data = MetaphaseDataModule(data_dir=str(root), cache_dir=str(tmp_path / "cache"), progress=False)
    return ComposedBoxes(data.manifest, np.arange(1), seed=0)


def test_chromosomes_are_taken_of_boxes_that_overlap_no_other(tmp_path):
    assert len(composed(tmp_path / "two", ALONE).chromosomes) == 2
    overlapping = (("A2", (28, 5, 50, 20)), ALONE[1])
    (alone,) = composed(tmp_path / "one", (ALONE[0], *overlapping)).chromosomes
    assert alone.mask.shape[0] > alone.mask.shape[1] * 1.5  # the first one's box
    with pytest.raises(UserError, match="overlaps another"):
        composed(tmp_path / "none", BOXES)

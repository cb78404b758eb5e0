"""Different results of the transforms of one image."""

import numpy as np
import pytest

from common.config.data import TransformConfig
from datamodules.transforms.variants import variants

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def test_each_turn_of_paper_004_is_shown_once_by_its_name():
    config = TransformConfig(flips=True, rotations=True, probability=1.0, apply_to="copies", each_epoch=False)
    found = dict(variants(IMAGE, 3, config, 10))
    assert sorted(found) == [
        "mirrored left to right",
        "mirrored top to bottom",
        "turned by 180 degrees",
        "turned by 270 degrees",
        "turned by 90 degrees",
    ]
    np.testing.assert_array_equal(found["mirrored left to right"], np.fliplr(IMAGE))
    np.testing.assert_array_equal(found["turned by 180 degrees"], IMAGE[::-1, ::-1])


@pytest.mark.parametrize("batched", [False, True])
def test_other_changes_differ_and_have_no_name(batched):
    found = variants(IMAGE, 0, TransformConfig(brightness=0.4, batched=batched), 4)
    assert [name for name, _ in found] == [""] * 4
    assert len({image.tobytes() for _, image in found} | {IMAGE.tobytes()}) == 5
    assert all(image.shape == IMAGE.shape for _, image in found)

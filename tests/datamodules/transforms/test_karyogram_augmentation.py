"""Each chromosome is changed at its own place, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config.data import WithinPlacesConfig
from common.errors import UserError
from datamodules.transforms.karyogram_augmentation import change_within, place_boxes
from tests.helpers.sheets import sheet_manifest, toy_sheet

ALL = WithinPlacesConfig(rotate=5, mirror=True, bend=0.05)
SHEET, BOXES = toy_sheet()
GROUND = 250


def places_changed(changed: np.ndarray, image: np.ndarray) -> int:
    """How many boxes hold something else."""
    return sum(not np.array_equal(changed[y : y + h, x : x + w], image[y : y + h, x : x + w]) for x, y, w, h in BOXES)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ink_of(image: np.ndarray, box: np.ndarray) -> float:
    """How much darker than the ground a place is in all."""
    x, y, width, height = box
    return float((GROUND - image[y : y + height, x : x + width, 0].astype(float)).sum())


def test_without_strengths_nothing_changes():
    assert np.array_equal(change_within(SHEET, BOXES, WithinPlacesConfig(), rng()), SHEET)


@given(
    seed=st.integers(0, 10**6),
    rotate=st.floats(0, 30),
    mirror=st.booleans(),
    bend=st.floats(0, 0.3),
    sheet=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_outside_the_places_nothing_changes_and_within_no_ink_is_lost(seed, rotate, mirror, bend, sheet):
    image, boxes = toy_sheet(sheet)
    known = image.copy()
    changed = change_within(image, boxes, WithinPlacesConfig(rotate=rotate, mirror=mirror, bend=bend), rng(seed))
    assert np.array_equal(image, known)
    outside = np.ones(image.shape[:2], bool)
    for x, y, width, height in boxes:
        outside[y : y + height, x : x + width] = False
    assert np.array_equal(changed[outside], image[outside])
    for box in boxes:
        # Interpolation rounds; a chromosome that left its place would lose a tenth at once.
        assert ink_of(changed, box) == pytest.approx(ink_of(image, box), rel=0.06)


@pytest.mark.parametrize("config", [{"rotate": 5}, {"mirror": True}, {"bend": 0.1}])
def test_each_change_alone_changes_something(config):
    changed = change_within(SHEET, BOXES, WithinPlacesConfig(**config), rng())
    assert places_changed(changed, SHEET) > len(BOXES) / 4


def test_a_mirrored_chromosome_is_the_mirror_image_at_the_same_columns():
    changed = change_within(SHEET, BOXES, WithinPlacesConfig(mirror=True), rng())
    mirrored = 0
    for x, y, width, height in BOXES:
        before, after = SHEET[y : y + height, x : x + width], changed[y : y + height, x : x + width]
        if not np.array_equal(before, after):
            mirrored += 1
            expected = before.copy()
            expected[:, 9:18] = before[:, 9:18][:, ::-1]  # its columns, see toy_sheet
            assert np.array_equal(after, expected)
    assert 4 <= mirrored <= 14


def test_the_short_arm_stays_up():
    for seed in range(10):
        changed = change_within(SHEET, BOXES, ALL, rng(seed))
        for x, y, width, height in BOXES:
            dark = np.flatnonzero((changed[y : y + height, x : x + width, 0] < 45).any(axis=1))
            assert dark.mean() < height / 2


def test_a_chromosome_that_fills_its_place_is_left_as_it_lies():
    tight = BOXES + np.array([9, 5, -15, -36 + 18])  # the bar alone, and ground on no side
    assert np.array_equal(change_within(SHEET, tight, WithinPlacesConfig(rotate=30, bend=0.2), rng()), SHEET)


def test_the_ground_is_the_places_own():
    image, boxes = toy_sheet(ground=200)
    changed = change_within(image, boxes, WithinPlacesConfig(rotate=20, bend=0.1), rng())
    assert changed.max() == 200


def test_specks_do_not_hold_a_chromosome_back():
    noisy = SHEET.copy()
    noisy[rng().random(noisy.shape[:2]) < 0.02] = 0
    changed = change_within(noisy, BOXES, WithinPlacesConfig(rotate=5), rng(3))
    assert places_changed(changed, noisy) > len(BOXES) / 2


def test_boxes_are_scaled_to_the_stored_image_and_hold_nothing_else():
    manifest, sheets = sheet_manifest()
    height, width = sheets[0].shape[:2]
    same = place_boxes(manifest, (height, width))
    assert sorted(same) == [0, 1]
    assert np.array_equal(same[0], toy_sheet(0)[1])
    half = place_boxes(manifest, (height // 2, width // 3))[1]
    full = toy_sheet(1)[1]
    assert (half[:, 0] >= full[:, 0] / 3).all()
    assert (half[:, 0] + half[:, 2] <= (full[:, 0] + full[:, 2]) / 3).all()
    assert (half[:, 1] >= full[:, 1] * (height // 2) / height).all()
    assert (half[:, 3] >= full[:, 3] / 2 - 2).all()


def test_unknown_places_are_an_error():
    manifest, _ = sheet_manifest()
    nowhere = replace(manifest, places=None, source="karyograms")
    with pytest.raises(UserError, match="data.source=karyograms does not say where .*: use data=composed_karyograms"):
        place_boxes(nowhere, (32, 32))
    some = manifest.places[manifest.places["image_id"] == "i00000"]
    with pytest.raises(UserError, match="chromosomes of i00001 are not known"):
        place_boxes(replace(manifest, places=some), (32, 32))

"""A karyogram: everything at its place, nothing lost, nothing touching, one scale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytogenetics.synthesis.karyogram_composer import ROWS, Place, Sheet, SheetLayout, compose
from cytogenetics.synthesis.metaphase import GROUND, Chromosome, Metaphase
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES

USUAL = SheetLayout()
PLAIN = replace(USUAL, labels=False)
LENGTHS = dict(zip(CHROMOSOMES, [*range(120, 32, -4), 75, 34], strict=True))


def block(label: str, width: int = 24, height: int | None = None, number: int = 0) -> Chromosome:
    """A gray rectangle, 1 to 3 pixels within its picture."""
    height = height or LENGTHS[label]
    pixels = np.full((height + 4, width + 3), GROUND, np.uint8)
    pixels[1 : height + 1, 1 : width + 1] = 90 + number
    mask = pixels < GROUND
    return Chromosome(label, pixels, mask, f"{label}_{number}")


def blocks(sex: str = "XX", extra: tuple[str, ...] = (), lost: tuple[str, ...] = ()) -> Metaphase:
    labels = [*AUTOSOMES, *AUTOSOMES, *sex, *extra]
    for name in lost:
        labels.remove(name)
    return Metaphase("c1", "s1", tuple(block(name, number=n) for n, name in enumerate(labels)))


def places_of(sheet: Sheet, label: str) -> list:
    return [place for place in sheet.places if place.chromosome == label]


def box_of(place: Place) -> tuple[slice, slice]:
    return np.s_[place.y : place.y + place.height, place.x : place.x + place.width]


def middle(sheet: Sheet, label: str) -> float:
    found = places_of(sheet, label)
    return (found[0].x + found[-1].x + found[-1].width) / 2


def check_places(sheet: Sheet) -> None:
    """No two boxes overlap, each is within the sheet with plain ground along its edge, and all ink is in one."""
    covered = np.zeros(sheet.pixels.shape, np.int64)
    for place in sheet.places:
        assert 0 <= place.x <= place.x + place.width <= sheet.pixels.shape[1]
        assert 0 <= place.y <= place.y + place.height <= sheet.pixels.shape[0]
        covered[box_of(place)] += 1
        box = sheet.pixels[box_of(place)]
        assert (box < GROUND).any()
        assert (np.concatenate([box[0], box[-1], box[:, 0], box[:, -1]]) == GROUND).all()
    assert covered.max() == 1
    assert (sheet.pixels[covered == 0] == GROUND).all()


sizes = st.tuples(st.integers(3, 90), st.integers(4, 170))


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(CHROMOSOMES), st.lists(sizes, min_size=1, max_size=4), min_size=1),
    st.builds(
        SheetLayout,
        size=st.just((640, 832)),
        scale=st.floats(0.3, 1.5),
        margin=st.integers(0, 40),
        homologue_gap=st.integers(0, 10),
        pair_gap=st.integers(0, 30),
        row_gap=st.integers(0, 40),
        labels=st.just(False),
    ),
)
def test_boxes_hold_all_ink_and_never_overlap(pairs, sheet):
    cell = Metaphase("c", None, tuple(block(name, *size) for name, found in pairs.items() for size in found))
    try:
        composed = compose(cell, sheet)
    except UserError:
        # Only where more is asked for than any sheet of this size could hold.
        assert sum(size[0] for found in pairs.values() for size in found) > 832
        return
    check_places(composed)
    assert len(composed.places) == len(cell.chromosomes)
    assert composed.scale <= sheet.scale


@pytest.mark.parametrize("scale", [1.1, 0.6])
def test_one_scale_serves_the_whole_cell(scale):
    sheet = compose(blocks(), replace(PLAIN, scale=scale))
    assert sheet.scale == scale
    for place in sheet.places:
        rows = (sheet.pixels[box_of(place)] < GROUND).any(axis=1).sum()
        assert rows == pytest.approx(scale * LENGTHS[place.chromosome], abs=1)


def test_a_cell_that_does_not_fit_is_smaller_as_a_whole():
    with pytest.raises(UserError, match="no room for chromosomes of this size: scale all"):
        compose(Metaphase("c", None, (block("1", width=3000),)), USUAL)
    sheet = compose(blocks(), replace(USUAL, size=(320, 416)))
    assert sheet.scale < 0.7
    check_places(compose(blocks(), replace(PLAIN, size=(320, 416))))
    places = {name: places_of(sheet, name)[0] for name in ("1", "X")}
    lengths = {name: (sheet.pixels[box_of(place)] < GROUND).any(axis=1).sum() for name, place in places.items()}
    assert lengths["1"] / lengths["X"] == pytest.approx(LENGTHS["1"] / LENGTHS["X"], rel=0.05)


def test_lines_and_columns_stand_in_the_order_of_the_denver_groups():
    sheet = compose(blocks("XY"), PLAIN)
    feet = []
    for row in ROWS:
        names = [name for group in row for name in group]
        middles = [middle(sheet, name) for name in names]
        assert middles == sorted(middles)
        bottoms = {place.y + place.height for name in names for place in places_of(sheet, name)}
        assert len(bottoms) == 1
        feet.append(bottoms.pop())
    assert feet == sorted(feet)
    assert middle(sheet, "4") - middle(sheet, "3") > middle(sheet, "3") - middle(sheet, "2") + 10


def test_a_lone_autosome_leaves_the_second_place_of_its_pair_free():
    pair, lone = compose(blocks(), PLAIN), compose(blocks(lost=("9",), extra=()), PLAIN)
    assert places_of(lone, "9") == places_of(pair, "9")[:1]
    assert places_of(lone, "10") == places_of(pair, "10")


def test_labels_say_nothing_of_the_cell_and_touch_no_box():
    labelled, plain = compose(blocks("XX"), USUAL), compose(blocks("XX"), PLAIN)
    assert labelled.places == plain.places
    for place in plain.places:
        assert np.array_equal(labelled.pixels[box_of(place)], plain.pixels[box_of(place)])
    others = [compose(blocks(*facts), USUAL) for facts in (("XY",), ("XXY", ("21",)), ("X", (), ("14",)))]
    letters = [(sheet.pixels < GROUND) & ~_boxes(sheet) for sheet in (labelled, *others)]
    assert letters[0].any()
    assert all(np.array_equal(letters[0], found) for found in letters[1:])


def _boxes(sheet: Sheet) -> np.ndarray:
    covered = np.zeros(sheet.pixels.shape, bool)
    for place in sheet.places:
        covered[box_of(place)] = True
    return covered

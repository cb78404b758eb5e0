"""Abnormal cells derived from normal ones: what is changed, what is not, and what is said of it."""

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from datamodules.synthesis.aberrations.numerical import check_changes
from datamodules.synthesis.config import DerivedConfig
from datamodules.synthesis.metaphase import Metaphase
from tests.datamodules.synthesis.drawn import DATA, derived_from, drawn_cells, lines, of_sex, texts_of

KINDS = tuple(DerivedConfig.model_fields)


def _area(chromosomes):
    return sum(int(one.mask.sum()) for one in chromosomes)


@given(number=st.integers(0, 3), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_whatever_is_derived_leaves_the_rest_as_it_is(number, seed):
    cell = drawn_cells()[number]
    for kind in KINDS:
        derived = derived_from(cell, kind, seed)
        if derived is None:
            continue
        kept = [one for one in derived.cell.chromosomes if any(one is old for old in cell.chromosomes)]
        changed = [one for one in derived.cell.chromosomes if one.changed is not None]
        assert len(kept) + len(changed) == len(derived.cell.chromosomes)
        assert (derived.cell.name, derived.cell.subject) == (cell.name, cell.subject)
        assert len(changed) == {"translocation": 2, "sex_loss": 0, "autosome_loss": 0}.get(kind, 1)
        for one in changed:
            assert one.changed.shape == one.mask.shape == one.pixels.shape
            assert one.changed.any()
            assert not (one.changed & ~one.mask).any()
            assert (one.pixels[~one.mask] == 255).all()
        if kind in ("translocation", "inversion"):
            assert _area(derived.cell.chromosomes) == _area(cell.chromosomes)
        assert json.loads(json.dumps(derived.facts)) == derived.facts
        assert derived.facts["kind"] == kind


# --- how it is named ---


@pytest.mark.parametrize(
    ("sex", "kind", "texts"),
    [
        ("XX", "gain", {"47,XX,+13", "47,XX,+18", "47,XX,+21"}),
        ("XY", "gain", {"47,XY,+13", "47,XY,+18", "47,XY,+21"}),
        ("XX", "sex_gain", {"47,XXX"}),
        ("XY", "sex_gain", {"47,XXY", "47,XYY"}),
        ("XX", "sex_loss", {"45,X"}),
        ("XY", "sex_loss", {"45,X"}),
    ],
)
def test_numerical_abnormalities_are_named_by_the_counts(sex, kind, texts):
    assert texts_of(sex, kind) == texts


def test_an_autosome_of_any_class_is_lost():
    texts = texts_of("XY", "autosome_loss", 40)
    assert len(texts) > 10
    assert all(re.fullmatch(r"45,XY,-\d+", text) for text in texts)


# --- gained and lost chromosomes ---


def fact_and_gained(derived):
    (fact,), (gained,) = (
        derived.facts["chromosomes"],
        (one for one in derived.cell.chromosomes if one.changed is not None),
    )
    return fact, gained


def test_without_a_cell_of_the_same_subject_a_homologue_is_mirrored_and_bent():
    cell, stranger = drawn_cells()[0], drawn_cells()[1]
    places = set()
    for seed in range(12):
        derived = derived_from(cell, "gain", seed, donors=[cell, stranger], gained=("13",))
        fact, gained = fact_and_gained(derived)
        assert (fact["made_from"], fact["donor_cell"]) == ("mirror image", None)
        homologues = [one for one in cell.chromosomes if one.label == "13"]
        source = homologues[fact["homologue"]]
        assert gained.image_id == fact["image_id"] == source.image_id
        own = lines(source.pixels, source.mask)
        assert np.array_equal(gained.changed, gained.mask)
        assert gained.mask.sum() == pytest.approx(source.mask.sum(), rel=0.08)
        assert lines(gained.pixels, gained.mask) not in (own, [line[::-1] for line in own])
        labels = [one for one in derived.cell.chromosomes if one.label == "13"]
        places.add(labels.index(gained))
        assert derived.cell.counts["13"] == 3
    assert places == {0, 1, 2}


def test_a_cell_of_the_same_subject_gives_a_chromosome_at_this_ones_scale_and_stain():
    cell = drawn_cells()[0]
    larger = [
        replace(
            one,
            pixels=cv2.resize(one.pixels, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) // 2 + 127,
            mask=np.kron(one.mask, np.ones((2, 2), bool)),
            image_id=f"other/{one.image_id}",
        )
        for one in cell.chromosomes
    ]
    donor = Metaphase("other", cell.subject, tuple(larger))
    derived = derived_from(cell, "gain", 1, donors=[cell, drawn_cells()[1], donor])
    fact, gained = fact_and_gained(derived)
    homologues = [one for one in cell.chromosomes if one.label == fact["label"]]
    like = homologues[fact["homologue"]]
    assert (fact["made_from"], fact["donor_cell"], fact["scale"]) == ("donor", "other", 0.5)
    assert gained.image_id == fact["image_id"]
    assert gained.image_id.startswith("other/")
    assert any(gained.mask.sum() == pytest.approx(one.mask.sum(), rel=0.1) for one in homologues)
    assert gained.pixels[gained.mask].mean() == pytest.approx(like.pixels[like.mask].mean(), abs=5)
    assert np.array_equal(gained.changed, gained.mask)


def test_cells_of_unknown_subjects_give_nothing():
    cell, donor = (replace(one, subject=None) for one in drawn_cells()[:2])
    derived = derived_from(cell, "gain", donors=[donor])
    assert derived.facts["chromosomes"][0]["made_from"] == "mirror image"


@pytest.mark.parametrize(("sex", "lost"), [("XX", "X"), ("XY", "Y")])
def test_the_lost_chromosome_is_named(sex, lost):
    cell = of_sex(sex)
    derived = derived_from(cell, "sex_loss")
    assert derived.cell.lost == (lost,)
    gone = [one for one in cell.chromosomes if not any(one is other for other in derived.cell.chromosomes)]
    (fact,) = derived.facts["chromosomes"]
    assert [(one.label, one.image_id) for one in gone] == [(lost, fact["image_id"])]


# --- wrong rules ---


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"gained": ("21", "X")}, r"data\.gained: X: "),
        ({"gained": ("24",)}, r"data\.gained: 24: "),
        ({"gained": ()}, r"data\.gained: empty: "),
        ({"segment": (0.4, 0.2)}, r"data\.segment: \[0\.4, 0\.2\]: "),
    ],
)
def test_wrong_rules_are_refused(keys, message):
    with pytest.raises(UserError, match=message):
        check_changes(DATA.model_copy(update=keys))

"""Abnormal cells derived from normal ones: what is changed, what is not, and what is said of it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.config.sources import DerivedConfig
from cytogenetics.synthesis.metaphase import Metaphase
from packages.cytogenetics.tests.synthesis.drawn import changed_in, derived_from, drawn_cells, lines, of_sex, texts_of

KINDS = tuple(DerivedConfig.model_fields)


@given(number=st.integers(0, 3), seed=st.integers(0, 1000))
def test_whatever_is_derived_leaves_the_rest_as_it_is(number, seed):
    cell = drawn_cells()[number]
    for kind in KINDS:
        derived = derived_from(cell, kind, seed)
        changed = changed_in(cell, derived)
        assert (derived.cell.name, derived.cell.subject) == (cell.name, cell.subject)
        assert len(changed) == (kind != "sex_loss")
        for one in changed:
            assert one.mask.shape == one.pixels.shape
            assert (one.pixels[~one.mask] == 255).all()


@pytest.mark.parametrize(
    ("sex", "kind", "texts"),
    [
        ("XX", "gain", {"47,XX,+13", "47,XX,+18", "47,XX,+21"}),
        ("XY", "gain", {"47,XY,+13", "47,XY,+18", "47,XY,+21"}), ("XX", "sex_gain", {"47,XXX"}),
        ("XY", "sex_gain", {"47,XXY", "47,XYY"}), ("XX", "sex_loss", {"45,X"}), ("XY", "sex_loss", {"45,X"}),
    ],
)  # fmt: skip
def test_numerical_abnormalities_are_named_by_the_counts(sex, kind, texts):
    assert texts_of(sex, kind) == texts


def test_without_a_cell_of_the_same_subject_a_homologue_is_mirrored_and_bent():
    cell, stranger = drawn_cells()[0], drawn_cells()[1]
    places = set()
    for seed in range(8):
        derived = derived_from(cell, "gain", seed, donors=[cell, stranger])
        (gained,) = changed_in(cell, derived)
        (source,) = [one for one in cell.chromosomes if one.image_id == gained.image_id]
        assert gained.label == source.label
        own = lines(source.pixels, source.mask)
        assert gained.mask.sum() == pytest.approx(source.mask.sum(), rel=0.08)
        assert lines(gained.pixels, gained.mask) not in (own, [line[::-1] for line in own])
        labels = [one for one in derived.cell.chromosomes if one.label == gained.label]
        places.add(labels.index(gained))
        assert derived.cell.counts[gained.label] == 3
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
    (gained,) = changed_in(cell, derived)
    homologues = [one for one in cell.chromosomes if one.label == gained.label]
    assert gained.image_id.startswith("other/")
    assert any(gained.mask.sum() == pytest.approx(one.mask.sum(), rel=0.1) for one in homologues)
    stains = [one.pixels[one.mask].mean() for one in homologues]
    assert any(gained.pixels[gained.mask].mean() == pytest.approx(stain, abs=5) for stain in stains)


@pytest.mark.parametrize(("sex", "lost"), [("XX", "X"), ("XY", "Y")])
def test_a_woman_loses_an_x_and_a_man_the_y(sex, lost):
    cell = of_sex(sex)
    derived = derived_from(cell, "sex_loss")
    gone = [one for one in cell.chromosomes if not any(one is other for other in derived.cell.chromosomes)]
    assert [one.label for one in gone] == [lost]

"""Chromosomes cut and joined again: each kind's rule, and how it is named."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.synthesis.metaphase import Metaphase, trim
from cytogenetics.synthesis.segments import FIT_CLASSES
from cytogenetics.synthesis.structural import rearrange
from datamodules.synthesis.ideogram import IDEOGRAM
from tests.datamodules.synthesis.drawn import banded, derived_from, drawn_cells, lines, of_sex, texts_of

KINDS = ("terminal_deletion", "interstitial_deletion", "duplication", "translocation", "inversion")


def _cuts(fact, rows):
    return sorted(round(share * rows) for share in fact["breakpoints"])


derivations = given(number=st.integers(0, 3), seed=st.integers(0, 1000))


def _structural(kind, number, seed):
    """(fact, lines before, lines after) of each changed chromosome; nothing where none is fit."""
    cell = drawn_cells()[number]
    derived = derived_from(cell, kind, seed)
    if derived is None:
        return []
    changed = {}
    for old, new in zip(cell.chromosomes, derived.cell.chromosomes, strict=True):
        if new is not old:
            old = trim(old)
            changed[old.label, old.image_id] = (lines(old.pixels, old.mask), lines(new.pixels, new.mask))
    facts = derived.facts["chromosomes"]
    found = [(fact, *changed.pop((fact["label"], fact["image_id"]))) for fact in facts]
    assert not changed
    return found


@derivations
def test_a_terminal_deletion_loses_the_end_of_an_arm_but_for_its_tip(number, seed):
    for fact, before, after in _structural("terminal_deletion", number, seed):
        (cut,), lost = _cuts(fact, len(before)), round(fact["segment"] * len(before))
        short_arm = cut < IDEOGRAM[fact["label"]].short_arm * len(before)
        start = cut - lost if short_arm else cut
        tip = start if short_arm else len(before) - start - lost
        assert after == before[:start] + before[start + lost :]
        assert 0 < tip <= 0.2 * len(before)
        assert 0.2 <= fact["segment"] <= 0.4


@derivations
def test_an_interstitial_deletion_loses_the_segment_and_keeps_the_centromere(number, seed):
    for fact, before, after in _structural("interstitial_deletion", number, seed):
        start, stop = _cuts(fact, len(before))
        assert after == before[:start] + before[stop:]
        assert not start < IDEOGRAM[fact["label"]].short_arm * len(before) < stop
        assert (stop - start) / len(before) == pytest.approx(fact["segment"], abs=1e-3)


@derivations
def test_a_duplication_adds_the_segment_behind_itself(number, seed):
    for fact, before, after in _structural("duplication", number, seed):
        start, stop = _cuts(fact, len(before))
        assert after == before[:stop] + before[start:]


@derivations
def test_an_inverted_segment_turned_back_is_the_original(number, seed):
    for fact, before, after in _structural("inversion", number, seed):
        start, stop = _cuts(fact, len(before))
        assert after[:start] + after[start:stop][::-1] + after[stop:] == before
        assert after != before


@derivations
def test_a_translocation_exchanges_ends_of_two_chromosomes(number, seed):
    found = _structural("translocation", number, seed)
    if not found:
        return
    ends = []
    for fact, before, after in found:
        (cut,) = _cuts(fact, len(before))
        short_arm = cut < IDEOGRAM[fact["label"]].short_arm * len(before)
        ends.append((before[:cut][::-1] if short_arm else before[cut:], short_arm, before, after, cut))
    (first, *_), (second, *_) = ends
    for other_arm, (_, short_arm, before, after, cut) in zip((second, first), ends, strict=True):
        # The end is set upon the cut with its own cut edge: turned upside down where it comes from the other arm.
        assert after == (other_arm[::-1] + before[cut:] if short_arm else before[:cut] + other_arm)
    assert found[0][0]["label"] != found[1][0]["label"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("terminal_deletion", r"del\((\w+)\)\([pq]0\.\d\d\)"),
        ("interstitial_deletion", r"del\((\w+)\)\((p0\.\d\dp0\.\d\d|q0\.\d\dq0\.\d\d)\)"),
        ("duplication", r"dup\((\w+)\)\((p0\.\d\dp0\.\d\d|q0\.\d\dq0\.\d\d)\)"),
        ("inversion", r"inv\((\w+)\)\((p0\.\d\d[pq]0\.\d\d|q0\.\d\dq0\.\d\d)\)"),
        ("translocation", r"t\((\w+;\w+)\)\([pq]0\.\d\d;[pq]0\.\d\d\)"),
    ],
)
@pytest.mark.parametrize("sex", ["XX", "XY"])
def test_structural_abnormalities_are_named_by_chromosome_and_breakpoints(kind, form, sex):
    texts = texts_of(sex, kind)
    assert texts
    for text in texts:
        count, complement, change = text.split(",", 2)
        labels = re.fullmatch(form, change).group(1).split(";")
        assert count == "46"
        # A changed X stands in the abnormality alone.
        assert complement == (sex.replace("X", "", 1) if "X" in labels else sex)
        assert set(labels) <= set(FIT_CLASSES)
        assert labels == sorted(labels, key=lambda label: 0 if label == "X" else int(label))


def test_a_breakpoint_is_told_by_its_share_of_the_arm_from_the_centromere():
    seen = set()
    for seed in range(60):
        derived = derived_from(drawn_cells()[seed % 4], "inversion", seed)
        if derived is None:
            continue
        (fact,) = derived.facts["chromosomes"]
        arm = IDEOGRAM[fact["label"]].short_arm
        shares = [(arm - cut) / arm if cut < arm else (cut - arm) / (1 - arm) for cut in fact["breakpoints"]]
        told = re.findall(r"([pq])(\d\.\d\d)", derived.iscn.split(")(")[1])
        assert [float(share) for _, share in told] == pytest.approx(shares, abs=0.006)
        arms = "".join(letter for letter, _ in told)
        assert arms in ("pp", "pq", "qq")
        assert arms == "pq" or shares == sorted(shares)  # from the centromere outwards
        seen.add(arms)
    assert {"pq", "qq"} <= seen


def test_a_cell_without_fit_chromosomes_has_no_structural_abnormality():
    small = [banded(one.label, rows=20, edges=(8, 14), width=9) for one in drawn_cells()[0].chromosomes]
    cell = Metaphase("small", None, tuple(small))
    assert [derived_from(cell, kind) for kind in KINDS] == [None] * 5
    assert derived_from(cell, "gain") is not None


def test_chromosomes_of_the_same_class_are_not_translocated():
    ones = [banded("5", image_id="0"), banded("5", rows=100, edges=(10, 30, 45, 65, 80), image_id="1")]
    small = [banded(one.label, rows=20, edges=(8, 14), width=9) for one in of_sex("XX").chromosomes if one.label != "5"]
    cell = Metaphase("cell", None, (*ones, *small))
    assert derived_from(cell, "interstitial_deletion") is not None
    assert derived_from(cell, "translocation") is None


@pytest.mark.parametrize("kind", ["duplication", "interstitial_deletion", "inversion"])
def test_what_would_leave_a_seam_or_show_nothing_is_not_done(kind, monkeypatch):
    """A lone band: doubled or lost it leaves a seam; turned it fits, and reads alike both ways."""
    assert rearrange([banded("5", edges=(34, 54))], kind, np.random.default_rng(0)) is None
    monkeypatch.setattr("cytogenetics.synthesis.structural._SEGMENT", (0.1, 0.6))
    assert rearrange([banded("5", edges=(30, 50, 56, 62))], kind, np.random.default_rng(0)) is not None

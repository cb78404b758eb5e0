"""Chromosomes cut and joined again: each kind's rule, and how it is named."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.synthesis.ideogram import IDEOGRAM
from cytogenetics.synthesis.metaphase import Metaphase, trim
from cytogenetics.synthesis.segments import FIT_CLASSES
from cytogenetics.synthesis.structural import rearrange
from packages.cytogenetics.tests.synthesis.drawn import banded, derived_from, drawn_cells, lines, of_sex, texts_of

KINDS = ("terminal_deletion", "interstitial_deletion", "duplication", "translocation", "inversion")


derivations = given(number=st.integers(0, 3), seed=st.integers(0, 1000))


def _structural(kind, number, seed):
    """(label, lines before, lines after) of each changed chromosome, and the text; nothing where none is fit."""
    cell = drawn_cells()[number]
    derived = derived_from(cell, kind, seed)
    if derived is None:
        return [], ""
    changed = []
    for old, new in zip(cell.chromosomes, derived.cell.chromosomes, strict=True):
        if new is not old:
            old = trim(old)
            changed.append((old.label, lines(old.pixels, old.mask), lines(new.pixels, new.mask)))
    return changed, derived.iscn


def _told(text, label, rows):
    """The breakpoints of the text of one chromosome, in rows; give or take one percent of its longer arm."""
    centromere = IDEOGRAM[label].short_arm * rows
    told = re.findall(r"([pq])(\d\.\d\d)", text)
    return [centromere + float(share) * (rows - centromere if arm == "q" else -centromere) for arm, share in told]


def _segments(label, text, rows):
    """All pairs of rows that the two breakpoints of a text may be."""
    start, stop = sorted(_told(text, label, rows))
    slack = 0.006 * rows + 0.5
    near = [[row for row in range(rows) if abs(row - told) <= slack] for told in (start, stop)]
    return list(product(*near))


@derivations
def test_a_terminal_deletion_loses_the_end_of_an_arm_but_for_its_tip(number, seed):
    changed, text = _structural("terminal_deletion", number, seed)
    for label, before, after in changed:
        lost = len(before) - len(after)
        starts = [row for row in range(len(before) - lost) if after == before[:row] + before[row + lost :]]
        (cut,) = _told(text, label, len(before))
        short_arm = cut < IDEOGRAM[label].short_arm * len(before)
        # The segment ends at the breakpoint, on the side of the tip that is left.
        ends = [start + lost if short_arm else start for start in starts]
        start = starts[int(np.argmin([abs(end - cut) for end in ends]))]
        assert min(abs(end - cut) for end in ends) <= 0.006 * len(before) + 0.5
        tip = start if short_arm else len(before) - start - lost
        assert 0 < tip <= 0.2 * len(before)
        assert 0.2 <= lost / len(before) <= 0.4


@derivations
def test_an_interstitial_deletion_loses_the_segment_and_keeps_the_centromere(number, seed):
    changed, text = _structural("interstitial_deletion", number, seed)
    for label, before, after in changed:
        cuts = _segments(label, text, len(before))
        assert any(after == before[:start] + before[stop:] for start, stop in cuts)
        assert not cuts[0][0] < IDEOGRAM[label].short_arm * len(before) < cuts[-1][1]


@derivations
def test_a_duplication_adds_the_segment_behind_itself(number, seed):
    changed, text = _structural("duplication", number, seed)
    for label, before, after in changed:
        cuts = _segments(label, text, len(before))
        assert any(after == before[:stop] + before[start:] for start, stop in cuts)


@derivations
def test_an_inverted_segment_turned_back_is_the_original(number, seed):
    changed, text = _structural("inversion", number, seed)
    for label, before, after in changed:
        cuts = _segments(label, text, len(before))
        assert any(after[:start] + after[start:stop][::-1] + after[stop:] == before for start, stop in cuts)
        assert after != before


@derivations
def test_a_translocation_exchanges_ends_of_two_chromosomes(number, seed):
    changed, text = _structural("translocation", number, seed)
    if not changed:
        return
    labels, points = (part.split(";") for part in re.search(r"t\((.+)\)\((.+)\)", text).groups())
    assert sorted(labels) == sorted(label for label, _, _ in changed)
    assert labels[0] != labels[1]
    ends = []
    for label, before, after in changed:
        (cut,) = _told(points[labels.index(label)], label, len(before))
        short_arm = cut < IDEOGRAM[label].short_arm * len(before)
        near = [row for row in range(len(before)) if abs(row - cut) <= 0.006 * len(before) + 0.5]
        ends.append((short_arm, before, after, near))
    assert any(_exchanged(ends, cuts) for cuts in product(ends[0][3], ends[1][3]))


def _exchanged(ends, cuts):
    """Whether each end is set upon the other cut with its own cut edge: upside down where it is of the other arm."""
    given_away = []
    for (short_arm, before, _, _), cut in zip(ends, cuts, strict=True):
        given_away.append(before[:cut][::-1] if short_arm else before[cut:])
    for other, (short_arm, before, after, _), cut in zip(given_away[::-1], ends, cuts, strict=True):
        if after != (other[::-1] + before[cut:] if short_arm else before[:cut] + other):
            return False
    return True


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


def test_two_breakpoints_are_told_from_the_centromere_outwards_or_by_both_arms():
    seen = set()
    for seed in range(60):
        derived = derived_from(drawn_cells()[seed % 4], "inversion", seed)
        if derived is None:
            continue
        told = re.findall(r"([pq])(\d\.\d\d)", derived.iscn.split(")(")[1])
        arms = "".join(letter for letter, _ in told)
        assert arms in ("pp", "pq", "qq")
        assert arms == "pq" or told == sorted(told)  # from the centromere outwards
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

"""Structural abnormalities: chromosomes cut at borders of their bands and rejoined."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from cytogenetics.synthesis.metaphase import Chromosome
from cytogenetics.synthesis.segments import Axis, Piece, differences, edge, join, measure, mismatch, tip_rows

_AS_LONG = 1.25  # times: above it lengths tell two segments apart
# Mean difference of two banding patterns, in standard deviations of the gray value along the chromosome: below it no
# one would see one in the place of the other. Patterns that have nothing to do with each other differ by 1.1.
_ALIKE = 0.8
_SEGMENT = (0.2, 0.4)  # of the length: least and largest of what is lost, doubled, turned or exchanged
_BEST = 1 / 3  # of the ways to cut a chromosome, by how well the edges match: one of these is drawn


_Rearranged = tuple[dict[int, Chromosome], str]


class _Plan(NamedTuple):
    """One way to change a chromosome, the source of ``segment``: its new pieces and breakpoints."""

    pieces: tuple[Piece, ...]
    cuts: tuple[int, ...]
    segment: Piece


_Way = tuple[_Plan, ...]  # the plans of all chromosomes that change together: one or two


def rearrange(chromosomes: Sequence[Chromosome], kind: str, rng: np.random.Generator) -> _Rearranged | None:
    """Rearrange one chromosome of a cell, or two.

    Args:
        chromosomes: Of one cell.
        kind: "terminal_deletion", "interstitial_deletion", "duplication", "inversion" or "translocation".
        rng: Draws the chromosome, each fit one as likely as another, and then the breakpoints.

    Returns:
        The changed chromosomes by their index in the cell; and the abnormality alone in the manner of ISCN, such as
        "del(5)(q0.62)". None where no chromosome is fit, or none can be cut so that the edges match.
    """
    places = rng.permutation(len(chromosomes)).tolist()
    fit = filter(None, (measure(chromosomes[place], place) for place in places))
    choices = _changes(fit, kind)
    if kind == "translocation":
        choices = _exchanges(list(fit))
    for ways in choices:
        scored = []
        for number, way in enumerate(ways):
            badness = max(mismatch(plan.pieces) for plan in way)
            if badness <= 1 and _is_seen(way):
                scored.append((badness, number))
        best = sorted(scored)[: math.ceil(_BEST * len(scored))]
        if best:
            _, number = best[int(rng.integers(len(best)))]
            return _carry_out(kind, ways[number])
    return None


def _is_seen(way: _Way) -> bool:
    """No exchange of segments that look alike, no turn of one that is palindromic; lengths are always seen."""
    if len(way) == 2:
        return not _look_alike(way[0].segment, way[1].segment)
    turned = way[0].segment
    return not turned.flipped or not _look_alike(turned, turned._replace(flipped=False))


def _look_alike(one: Piece, other: Piece) -> bool:
    """Whether two segments are about as long and, as they would lie in the same place, have the same bands."""
    if max(one.rows, other.rows) > _AS_LONG * min(one.rows, other.rows):
        return False
    patterns = []
    for piece in (one, other):
        # From the cut, or from the upper edge of a turned segment, on.
        grays = piece.source.grays[piece.start : piece.stop]
        if piece.flipped or piece.start == 0:
            grays = grays[::-1]
        patterns.append(np.interp(np.linspace(0, 1, 32), np.linspace(0, 1, piece.rows), grays))
    spread = min(one.source.grays.std(), other.source.grays.std())
    return bool(np.abs(patterns[0] - patterns[1]).mean() < _ALIKE * spread)


def _changes(fit: Iterator[Axis], kind: str) -> Iterator[list[_Way]]:
    """The ways to change each chromosome alone."""
    for axis in fit:
        plans = _segment_changes(axis, kind)
        if kind == "terminal_deletion":
            plans = _terminal_deletions(axis)
        yield [(plan,) for plan in plans if _SEGMENT[0] <= plan.segment.share <= _SEGMENT[1]]


def _exchanges(fit: list[Axis]) -> Iterator[list[_Way]]:
    """The ways to exchange ends between each two chromosomes that are not homologous, if their edges may match."""
    ends = []
    kept = []
    given = []
    for axis in fit:
        for end in _ends(axis):
            if _SEGMENT[0] <= end.share <= _SEGMENT[1]:
                # As if every end hung downwards: the edges of what the chromosome keeps, and of what it gives away.
                hanging = end._replace(flipped=end.start == 0)
                ends.append(end)
                kept.append(edge(hanging, hanging.ends[0] - hanging.sense))
                given.append(edge(hanging, hanging.ends[0]))
    if not ends:
        return
    labels = np.array([end.source.chromosome.label for end in ends])
    # Both derivatives at once: what each chromosome keeps meets what the other gives away.
    matching = differences(np.stack(kept)[:, None], np.stack(given)[None]) <= 1
    matching &= matching.T & (labels[:, None] != labels)
    pairs: dict[tuple[int, int], list[_Way]] = {}
    for row, column in np.argwhere(np.triu(matching)):
        first = ends[row]
        second = ends[column]
        ways = pairs.setdefault((first.source.place, second.source.place), [])
        ways.append((_exchange(first, second), _exchange(second, first)))
    yield from pairs.values()


def _ends(axis: Axis) -> Iterator[Piece]:
    """The ends of the arms from each border of bands on."""
    for cut in axis.cuts:
        if cut < axis.centromere:
            yield Piece(axis, 0, cut)
        else:
            yield Piece(axis, cut, axis.rows)


def _exchange(own: Piece, other: Piece) -> _Plan:
    """The derivative chromosome: ``own`` is given away for ``other``, turned where it comes from the other arm."""
    axis = own.source
    on_top = own.start == 0
    other = other._replace(flipped=on_top != (other.start == 0))
    if on_top:
        return _Plan((other, Piece(axis, own.stop, axis.rows)), (own.stop,), own)
    return _Plan((Piece(axis, 0, own.start), other), (own.start,), own)


def _terminal_deletions(axis: Axis) -> Iterator[_Plan]:
    """The end of an arm but for its tip, which is set upon the cut: blunt ends are not seen, chromosomes end round."""
    for end in _ends(axis):
        least = tip_rows(axis.rows)
        for tip in range(least, 2 * least):
            if end.start == 0 and tip < end.stop:
                kept = (Piece(axis, 0, tip), Piece(axis, end.stop, axis.rows))
                yield _Plan(kept, (end.stop,), Piece(axis, tip, end.stop))
            elif 0 < end.start < axis.rows - tip:
                kept = (Piece(axis, 0, end.start), Piece(axis, axis.rows - tip, axis.rows))
                yield _Plan(kept, (end.start,), Piece(axis, end.start, axis.rows - tip))


def _segment_changes(axis: Axis, kind: str) -> Iterator[_Plan]:
    """A segment within an arm is lost or doubled; one within an arm, or around the centromere, is turned."""
    for start, stop in combinations(axis.cuts, 2):
        above = Piece(axis, 0, start)
        segment = Piece(axis, start, stop, flipped=kind == "inversion")
        below = Piece(axis, stop, axis.rows)
        # As ISCN writes them: within an arm the breakpoint nearer to the centromere first, else p before q.
        cuts = (start, stop)
        if stop < axis.centromere:
            cuts = (stop, start)
        if kind == "inversion":
            yield _Plan((above, segment, below), cuts, segment)
        elif start < axis.centromere < stop:
            continue
        elif kind == "duplication":
            yield _Plan((above, segment, segment, below), cuts, segment)
        else:
            yield _Plan((above, below), cuts, segment)


def _carry_out(kind: str, way: _Way) -> _Rearranged:
    # ISCN names sex chromosomes first, then the autosomes by number.
    plans = sorted(way, key=lambda plan: int(plan.segment.source.chromosome.label.replace("X", "0").replace("Y", "0")))
    changed = {}
    points = []
    for plan in plans:
        axis = plan.segment.source
        pixels, mask = join(plan.pieces)
        changed[axis.place] = replace(axis.chromosome, pixels=pixels, mask=mask)
        points.append("".join(_on_arm(axis, cut) for cut in plan.cuts))
    symbols = {"duplication": "dup", "inversion": "inv", "translocation": "t"}
    labels = ";".join(plan.segment.source.chromosome.label for plan in plans)
    return changed, f"{symbols.get(kind, 'del')}({labels})({';'.join(points)})"


def _on_arm(axis: Axis, cut: int) -> str:
    if cut < axis.centromere:
        return f"p{(axis.centromere - cut) / axis.centromere:.2f}"
    return f"q{(cut - axis.centromere) / (axis.rows - axis.centromere):.2f}"

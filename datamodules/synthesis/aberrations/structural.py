"""Structural abnormalities: chromosomes cut at borders of their bands and joined anew."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from datamodules.synthesis.aberrations.axis import measure, trim
from datamodules.synthesis.aberrations.segments import Cuttable, Edge, Piece, differences, edge, join, mismatch
from datamodules.synthesis.metaphase import Chromosome

_AS_LONG = 1.25  # times: above it lengths tell two segments apart
# Mean difference of two banding patterns, in standard deviations of the gray value along the chromosome: below it no
# one would see one in the place of the other. Patterns that have nothing to do with each other differ by 1.1.
_ALIKE = 0.8
_BAND = 0.10  # of the length: what is marked around a place where something is missing
_BEST = 1 / 3  # of the ways to cut a chromosome, by how well the edges match: one of these is drawn


class Rearranged(NamedTuple):
    """What a rearrangement makes of a cell's chromosomes.

    Attributes:
        chromosomes: The changed ones, by their index in the cell.
        iscn: The abnormality alone, such as "del(5)(q0.62)".
        facts: One dict for each changed chromosome: label, homologue (0 or 1, in the cell's order), image_id,
            breakpoints (shares of the length from the end of the short arm) and segment (share of the length).
    """

    chromosomes: Mapping[int, Chromosome]
    iscn: str
    facts: list[dict[str, Any]]


class _Plan(NamedTuple):
    """One way to change one chromosome: its new pieces, the breakpoints, the segment, the pieces to mark."""

    pieces: tuple[Piece, ...]
    cuts: tuple[int, ...]
    segment: Piece
    marked: tuple[int, ...] = ()

    @property
    def source(self) -> Cuttable:
        """The chromosome whose centromere, and place, the outcome has."""
        return self.segment.source


def rearrange(
    chromosomes: Sequence[Chromosome], kind: str, segment: tuple[float, float], rng: np.random.Generator
) -> Rearranged | None:
    """Rearrange one chromosome of a cell, or two.

    Args:
        chromosomes: Of one cell.
        kind: "terminal_deletion", "interstitial_deletion", "duplication", "inversion" or "translocation".
        segment: Least and largest length of what is lost, doubled, turned or exchanged, as a share of the chromosome's.
        rng: Draws the chromosome, each fit one as likely as another, and then the breakpoints.

    Returns:
        None where no chromosome is fit, or none can be cut so that the edges match.
    """
    order = [int(place) for place in rng.permutation(len(chromosomes))]
    fit = (one for one in (_cuttable(place, chromosomes[place]) for place in order) if one is not None)
    if kind == "translocation":
        ways = _exchanges(list(fit), segment)
    else:
        ways = _changes(fit, _WAYS[kind], segment)
    for plans in ways:
        best = _best(plans)
        if best:
            return _carry_out(chromosomes, kind, best[int(rng.integers(len(best)))])
    return None


def _best(plans: Iterable[tuple[_Plan, ...]]) -> list[tuple[_Plan, ...]]:
    """Of the ways whose joins are not seen, and whose outcome is, those that match best."""
    scored = [(max(mismatch(plan.pieces) for plan in way), number, way) for number, way in enumerate(plans)]
    good = [way for badness, _, way in sorted(scored) if badness <= 1 and _is_seen(way)]
    return good[: math.ceil(_BEST * len(good))]


def _is_seen(way: tuple[_Plan, ...]) -> bool:
    """No exchange of segments that look alike, no turn of one that reads alike both ways; lengths are always seen."""
    if len(way) == 2:
        return not _look_alike(way[0].segment, way[1].segment)
    turned = way[0].segment
    return not turned.flipped or not _look_alike(turned, turned._replace(flipped=False))


def _cuttable(place: int, chromosome: Chromosome) -> Cuttable | None:
    trimmed = trim(chromosome)
    axis = measure(trimmed)
    if axis is None:
        return None
    return Cuttable(place, trimmed, axis)


def _changes(
    fit: Iterator[Cuttable], ways: Callable[[Cuttable], Iterator[_Plan]], segment: tuple[float, float]
) -> Iterator[list[tuple[_Plan, ...]]]:
    """The ways to change each chromosome alone."""
    for one in fit:
        yield [(plan,) for plan in ways(one) if _of_length(plan.segment, segment)]


def _exchanges(fit: list[Cuttable], segment: tuple[float, float]) -> Iterator[list[tuple[_Plan, ...]]]:
    """The ways to exchange ends between each two chromosomes that are not homologous, if their edges may match."""
    ends = [end for one in fit for end in _ends(one) if _of_length(end, segment)]
    if not ends:
        return
    labels = np.array([end.source.chromosome.label for end in ends])
    # Both derivatives at once: what each chromosome keeps meets what the other gives away.
    matching = differences(_edges(ends, kept=True), _edges(ends, kept=False)) <= 1
    matching &= matching.T & (labels[:, None] != labels)
    pairs: dict[tuple[int, int], list[tuple[_Plan, ...]]] = {}
    for first, second in np.argwhere(np.triu(matching)):
        one = ends[first]
        other = ends[second]
        ways = pairs.setdefault((one.source.place, other.source.place), [])
        ways.append((_exchange(one, other), _exchange(other, one)))
    yield from pairs.values()


def _edges(ends: list[Piece], kept: bool) -> Edge:
    """The edges of ends of arms, or of what is kept when they are cut off, as if every end hung downwards.

    Returns:
        Shapes (ends, 1) of what is kept, (1, ends) of what is cut off.
    """
    turned = [end._replace(flipped=end.start == 0) for end in ends]
    found = [edge(end, end.upper - end.sense if kept else end.upper) for end in turned]
    columns = (np.array(values, np.float64) for values in zip(*found, strict=True))
    return Edge(*(values[:, None] if kept else values[None] for values in columns))


def _ends(one: Cuttable) -> Iterator[Piece]:
    """The ends of the arms from each border of bands on."""
    for cut in one.axis.cuts:
        yield Piece(one, 0, int(cut)) if cut < one.axis.centromere else Piece(one, int(cut), one.axis.rows)


def _exchange(own: Piece, foreign: Piece) -> _Plan:
    """The derivative chromosome: ``own`` is given away for ``foreign``, turned where it comes from the other arm."""
    axis = own.source.axis
    on_top = own.start == 0
    foreign = foreign._replace(flipped=on_top != (foreign.start == 0))
    if on_top:
        return _Plan((foreign, Piece(own.source, own.stop, axis.rows)), (own.stop,), own, (0,))
    return _Plan((Piece(own.source, 0, own.start), foreign), (own.start,), own, (1,))


def _terminal_deletions(one: Cuttable) -> Iterator[_Plan]:
    """The end of an arm but for its tip, which is set upon the cut: blunt ends are not seen, chromosomes end round."""
    rows = one.axis.rows
    for end, tip in product(_ends(one), range(one.axis.tip, 2 * one.axis.tip)):
        if end.start == 0 and tip < end.stop:
            kept = (Piece(one, 0, tip), Piece(one, end.stop, rows))
            yield _Plan(kept, (end.stop,), Piece(one, tip, end.stop))
        elif 0 < end.start < rows - tip:
            kept = (Piece(one, 0, end.start), Piece(one, rows - tip, rows))
            yield _Plan(kept, (end.start,), Piece(one, end.start, rows - tip))


def _interstitial_deletions(one: Cuttable) -> Iterator[_Plan]:
    for start, stop in _within_an_arm(one):
        kept = (Piece(one, 0, start), Piece(one, stop, one.axis.rows))
        yield _Plan(kept, _proximal_first(one, start, stop), Piece(one, start, stop))


def _duplications(one: Cuttable) -> Iterator[_Plan]:
    for start, stop in _within_an_arm(one):
        doubled = Piece(one, start, stop)
        pieces = (Piece(one, 0, start), doubled, doubled, Piece(one, stop, one.axis.rows))
        yield _Plan(pieces, _proximal_first(one, start, stop), doubled, (1, 2))


def _inversions(one: Cuttable) -> Iterator[_Plan]:
    """Paracentric within an arm, pericentric around the centromere."""
    for start, stop in combinations([int(cut) for cut in one.axis.cuts], 2):
        turned = Piece(one, start, stop, flipped=True)
        pieces = (Piece(one, 0, start), turned, Piece(one, stop, one.axis.rows))
        yield _Plan(pieces, _proximal_first(one, start, stop), turned, (1,))


_WAYS: Mapping[str, Callable[[Cuttable], Iterator[_Plan]]] = {
    "terminal_deletion": _terminal_deletions,
    "interstitial_deletion": _interstitial_deletions,
    "duplication": _duplications,
    "inversion": _inversions,
}


def _within_an_arm(one: Cuttable) -> Iterator[tuple[int, int]]:
    for start, stop in combinations([int(cut) for cut in one.axis.cuts], 2):
        if not start < one.axis.centromere < stop:
            yield start, stop


def _proximal_first(one: Cuttable, start: int, stop: int) -> tuple[int, ...]:
    """Breakpoints as ISCN writes them: within an arm the one nearer to the centromere first, else p before q."""
    if stop < one.axis.centromere:
        return (stop, start)
    return (start, stop)


def _of_length(piece: Piece, segment: tuple[float, float]) -> bool:
    return segment[0] <= piece.rows / piece.source.axis.rows <= segment[1]


def _look_alike(one: Piece, other: Piece) -> bool:
    """Whether two segments are about as long and, as they would lie in the same place, have the same bands."""
    if max(one.rows, other.rows) > _AS_LONG * min(one.rows, other.rows):
        return False
    patterns = [np.interp(np.linspace(0, 1, 32), np.linspace(0, 1, p.rows), _pattern(p)) for p in (one, other)]
    spread = min(p.source.axis.grays.std() for p in (one, other))
    return bool(np.abs(patterns[0] - patterns[1]).mean() < _ALIKE * spread)


def _pattern(piece: Piece) -> np.ndarray:
    """Gray values from the cut, or from the upper edge of a turned segment, on."""
    grays = piece.source.axis.grays[piece.start : piece.stop]
    if piece.flipped or piece.start == 0:
        return grays[::-1]
    return grays


def _carry_out(chromosomes: Sequence[Chromosome], kind: str, plans: tuple[_Plan, ...]) -> Rearranged:
    plans = tuple(sorted(plans, key=lambda plan: _rank(plan.source.chromosome.label)))
    changed = {plan.source.place: _draw(plan) for plan in plans}
    return Rearranged(changed, _text(kind, plans), [_facts(chromosomes, plan) for plan in plans])


def _draw(plan: _Plan) -> Chromosome:
    pixels, mask, starts = join(plan.pieces)
    rows = np.zeros(len(mask), bool)
    for piece in plan.marked:
        rows[starts[piece] : starts[piece + 1]] = True
    if not plan.marked:
        half = max(2, round(_BAND / 2 * len(mask)))
        rows[max(0, starts[1] - half) : starts[1] + half] = True
    return replace(plan.source.chromosome, pixels=pixels, mask=mask, changed=mask & rows[:, None])


def _rank(label: str) -> tuple[bool, int]:
    """ISCN names sex chromosomes first, then the autosomes by number."""
    return (label.isdecimal(), int(label) if label.isdecimal() else 0)


_SYMBOLS = {
    "terminal_deletion": "del",
    "interstitial_deletion": "del",
    "duplication": "dup",
    "inversion": "inv",
    "translocation": "t",
}


def _text(kind: str, plans: tuple[_Plan, ...]) -> str:
    labels = ";".join(plan.source.chromosome.label for plan in plans)
    points = ";".join("".join(_on_arm(plan.source, cut) for cut in plan.cuts) for plan in plans)
    return f"{_SYMBOLS[kind]}({labels})({points})"


def _on_arm(one: Cuttable, cut: int) -> str:
    centromere = one.axis.centromere
    if cut < centromere:
        return f"p{(centromere - cut) / centromere:.2f}"
    return f"q{(cut - centromere) / (one.axis.rows - centromere):.2f}"


def _facts(chromosomes: Sequence[Chromosome], plan: _Plan) -> dict[str, Any]:
    own = plan.source.chromosome
    rows = plan.source.axis.rows
    return {
        "label": own.label,
        "homologue": sum(other.label == own.label for other in chromosomes[: plan.source.place]),
        "image_id": own.image_id,
        "breakpoints": [round(cut / rows, 4) for cut in plan.cuts],
        "segment": round(plan.segment.rows / rows, 4),
    }

"""Abnormal cells derived from real normal ones: chromosomes gained, lost, cut and joined, with the truth kept."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.errors import UserError
from common.karyotype import AUTOSOMES, NORMAL
from datamodules.synthesis.aberrations.gains import bent_mirror_image, take_over
from datamodules.synthesis.aberrations.structural import rearrange
from datamodules.synthesis.config import CompositionConfig, DerivedConfig
from datamodules.synthesis.metaphase import Chromosome, Metaphase


@dataclass(frozen=True, eq=False)
class Derived:
    """An abnormal cell made from a normal one.

    Attributes:
        cell: The changed copy, under its parent's name and subject; chromosomes that are as they were are the parent's.
        iscn: In the manner of ISCN, such as "47,XX,+21" or "46,XY,del(5)(q0.62)". A breakpoint is told by its share of
            the arm's length from the centromere, where ISCN names a band: no ideogram can be laid exactly on pictures
            of this size.
        facts: JSON-able. kind; chromosomes: for each chromosome concerned a dict with label, homologue (0 or 1, in the
            cell's order; of a gained one the homologue that it was made or stained after) and image_id; of a
            rearranged one breakpoints and segment too, shares of its length; of a gained one made_from ("donor" or
            "mirror image"), donor_cell and scale.
    """

    cell: Metaphase
    iscn: str
    facts: dict[str, Any]


def check_changes(data: CompositionConfig) -> None:
    """Check what rules of abnormalities the user has set.

    Raises:
        UserError: ``data.gained`` names no autosome or something else, or ``data.segment`` is the wrong way round.
    """
    wrong = [name for name in data.gained if name not in AUTOSOMES]
    if wrong or not data.gained:
        found = ", ".join(wrong) or "empty"
        remedy = "name autosomes, 1 to 22 (data.derived.sex_gain gains an X or a Y)"
        raise UserError(f"data.gained: {found}: {remedy}")
    if data.segment[0] >= data.segment[1]:
        raise UserError(f"data.segment: {list(data.segment)}: give the shorter share first, e.g. [0.2, 0.4]")


def derive(
    cell: Metaphase, kind: str, donors: Sequence[Metaphase], data: CompositionConfig, rng: np.random.Generator
) -> Derived | None:
    """Make a normal cell abnormal; a pure function of its arguments and the state of ``rng``.

    A gained chromosome is taken from another cell of the same subject, scaled by the root of the ratio of the two
    cells' areas, where there is one, and is else a homologue's mirror image, lightly bent.

    Args:
        cell: Of normal karyotype.
        kind: A field of `DerivedConfig`.
        donors: Cells that a gained chromosome may come from; those of other subjects, and the cell itself, are passed
            over.
        data: ``gained`` and ``segment`` count.
        rng: Draws chromosome, breakpoints and donor.

    Returns:
        None where the cell is not normal or has no chromosome that is fit for this kind.

    Raises:
        UserError: See `check_changes`.
        ValueError: An unknown kind.
    """
    if kind not in DerivedConfig.model_fields:
        raise ValueError(f"no kind {kind}: {', '.join(DerivedConfig.model_fields)}")
    check_changes(data)
    if cell.karyotype.label != NORMAL:
        return None
    if kind in _NUMERICAL:
        return _NUMERICAL[kind](cell, donors, data, rng)
    return _rearranged(cell, kind, data, rng)


def _rearranged(cell: Metaphase, kind: str, data: CompositionConfig, rng: np.random.Generator) -> Derived | None:
    found = rearrange(cell.chromosomes, kind, data.segment, rng)
    if found is None:
        return None
    chromosomes = tuple(found.chromosomes.get(place, one) for place, one in enumerate(cell.chromosomes))
    # ISCN names a changed sex chromosome in the abnormality alone: 46,Y,del(X)(q0.50).
    sex = _sex(cell)
    for fact in found.facts:
        sex = sex.replace(fact["label"], "", 1)
    iscn = f"{len(cell.chromosomes)},{sex},{found.iscn}"
    return Derived(replace(cell, chromosomes=chromosomes), iscn, {"kind": kind, "chromosomes": found.facts})


def _gain(cell: Metaphase, donors: Sequence[Metaphase], data: CompositionConfig, rng: np.random.Generator) -> Derived:
    return _with_one_more(cell, "gain", str(rng.choice(sorted(set(data.gained)))), donors, rng)


def _sex_gain(
    cell: Metaphase, donors: Sequence[Metaphase], data: CompositionConfig, rng: np.random.Generator
) -> Derived:
    """XX becomes XXX (no cell of a woman can give a Y), XY becomes XXY or XYY."""
    return _with_one_more(cell, "sex_gain", str(rng.choice(sorted(set(_sex(cell))))), donors, rng)


def _sex_loss(
    cell: Metaphase, donors: Sequence[Metaphase], data: CompositionConfig, rng: np.random.Generator
) -> Derived:
    """45,X: XX loses one X, XY the Y."""
    return _with_one_less(cell, "sex_loss", "Y" if "Y" in _sex(cell) else "X", rng)


def _autosome_loss(
    cell: Metaphase, donors: Sequence[Metaphase], data: CompositionConfig, rng: np.random.Generator
) -> Derived:
    return _with_one_less(cell, "autosome_loss", str(rng.choice(AUTOSOMES)), rng)


_NUMERICAL: Mapping[str, Callable[..., Derived]] = {
    "gain": _gain,
    "sex_gain": _sex_gain,
    "sex_loss": _sex_loss,
    "autosome_loss": _autosome_loss,
}


def _with_one_more(
    cell: Metaphase, kind: str, label: str, donors: Sequence[Metaphase], rng: np.random.Generator
) -> Derived:
    places = _places(cell, label)
    homologue = int(rng.integers(len(places)))
    like = cell.chromosomes[places[homologue]]
    gained, origin = _gained(cell, like, donors, rng)
    # Anywhere among its homologues: the last place of the three must not give it away.
    at = int(rng.choice([*places, places[-1] + 1]))
    chromosomes = (*cell.chromosomes[:at], gained, *cell.chromosomes[at:])
    fact = {"label": label, "homologue": homologue, "image_id": gained.image_id, **origin}
    return _counted(replace(cell, chromosomes=chromosomes), kind, fact)


def _gained(
    cell: Metaphase, like: Chromosome, donors: Sequence[Metaphase], rng: np.random.Generator
) -> tuple[Chromosome, dict[str, Any]]:
    """The further chromosome, and where it comes from."""
    same = [donor for donor in donors if _can_give(donor, cell, like.label)]
    if not same:
        mirrored = bent_mirror_image(like, rng)
        return mirrored, {"made_from": "mirror image", "donor_cell": None, "scale": 1.0}
    donor = same[int(rng.integers(len(same)))]
    places = _places(donor, like.label)
    scale = math.sqrt(_area(cell) / _area(donor))
    taken = take_over(donor.chromosomes[places[int(rng.integers(len(places)))]], scale, like)
    return taken, {"made_from": "donor", "donor_cell": donor.name, "scale": round(scale, 4)}


def _can_give(donor: Metaphase, cell: Metaphase, label: str) -> bool:
    same_subject = cell.subject is not None and donor.subject == cell.subject
    return same_subject and donor.name != cell.name and donor.counts[label] > 0


def _with_one_less(cell: Metaphase, kind: str, label: str, rng: np.random.Generator) -> Derived:
    places = _places(cell, label)
    homologue = int(rng.integers(len(places)))
    lost = cell.chromosomes[places[homologue]]
    kept = tuple(one for one in cell.chromosomes if one is not lost)
    fact = {"label": label, "homologue": homologue, "image_id": lost.image_id}
    return _counted(replace(cell, chromosomes=kept, lost=(*cell.lost, label)), kind, fact)


def _counted(cell: Metaphase, kind: str, fact: dict[str, Any]) -> Derived:
    return Derived(cell, cell.karyotype.iscn, {"kind": kind, "chromosomes": [fact]})


def _places(cell: Metaphase, label: str) -> list[int]:
    return [place for place, one in enumerate(cell.chromosomes) if one.label == label]


def _sex(cell: Metaphase) -> str:
    return "X" * cell.counts["X"] + "Y" * cell.counts["Y"]


def _area(cell: Metaphase) -> int:
    return sum(int(one.mask.sum()) for one in cell.chromosomes)

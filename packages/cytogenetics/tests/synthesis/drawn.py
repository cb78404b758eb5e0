"""Cells and chromosomes drawn in memory: whole cells, and what is derived from them."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from cytogenetics.config.sources import SyntheticChromosomesConfig
from cytogenetics.synthesis.metaphase import Chromosome, Metaphase, to_chromosome
from cytogenetics.synthesis.numerical import Derived, derive
from cytogenetics.synthesis.synthetic_chromosomes import draw_picture, labels_of


@cache
def drawn_cells(cells: int = 4, abnormal: float = 0.0) -> tuple[Metaphase, ...]:
    """Draw cells (3 or more), each of a case of its own: 46,XX, 46,XY and on by chance.

    With ``abnormal=1.0`` they are 47,XX,+21, 47,XXY, 47,+18, 45,X, 47,+13, 47,XYY and 47,XXX, in this order.
    """
    data = SyntheticChromosomesConfig(source="synthetic_chromosomes", cells=cells, cases=cells, abnormal=abnormal)
    drawn = []
    for cell in range(cells):
        name = f"case_{cell + 1:03d}"
        chromosomes = []
        for number, label in enumerate(labels_of(data, cell)):
            image_id = f"{name}.1_{number + 1:02d}_{label}"
            chromosomes.append(to_chromosome(draw_picture(data, cell, number), label, image_id))
        drawn.append(Metaphase(f"{name}.1", name, tuple(chromosomes)))
    return tuple(drawn)


def of_sex(sex: str) -> Metaphase:
    """The first synthetic cell with "XX" or "XY"."""
    return next(cell for cell in drawn_cells() if cell.karyotype.iscn == f"46,{sex}")


def derived_from(cell: Metaphase, kind: str, seed: int = 0, donors: Sequence[Metaphase] = ()) -> Derived:
    """Derive with a seed."""
    return derive(cell, kind, donors, np.random.default_rng(seed))


def changed_in(cell: Metaphase, derived: Derived) -> list[Chromosome]:
    """The chromosomes that are not those of the cell."""
    own = set(map(id, cell.chromosomes))
    return [one for one in derived.cell.chromosomes if id(one) not in own]


def texts_of(sex: str, kind: str, seeds: int = 20) -> set[str]:
    """What is derived from a cell of that sex over so many seeds."""
    return {derived_from(of_sex(sex), kind, seed).iscn for seed in range(seeds)}


def lines(pixels: np.ndarray, mask: np.ndarray) -> list[bytes]:
    """The gray values of each row within the mask, from top to bottom: what is left when pieces are shifted aside."""
    return [row[inside].tobytes() for row, inside in zip(pixels, mask, strict=True) if inside.any()]

"""Whole cells drawn in memory: the chromosomes that karyograms are composed of."""

from functools import cache

from datamodules.sources.synthetic_chromosomes import SyntheticChromosomesConfig, draw_picture, labels_of
from datamodules.synthesis.metaphase import Metaphase, to_chromosome


def drawn_cells(cells: int = 3, abnormal: float = 0.0, seed: int = 0) -> list[Metaphase]:
    """Draw cells, each of a case of its own: 46,XX, 46,XY and on by chance; nothing is written.

    With ``abnormal=1.0`` they are 47,XX,+21, 47,XXY, 47,+18, 45,X, 47,+13, 47,XYY and 47,XXX, in this order.
    """
    return list(_drawn(max(cells, 3), abnormal, seed)[:cells])


@cache
def _drawn(cells: int, abnormal: float, seed: int) -> tuple[Metaphase, ...]:
    kind = "synthetic_chromosomes"
    data = SyntheticChromosomesConfig(source=kind, cells=cells, cases=cells, abnormal=abnormal, seed=seed)
    return tuple(_cell(data, cell) for cell in range(cells))


def _cell(data: SyntheticChromosomesConfig, cell: int) -> Metaphase:
    name = f"case_{cell + 1:03d}"
    chromosomes = [
        to_chromosome(draw_picture(data, cell, number), label, f"{name}.1_{number + 1:02d}_{label}")
        for number, label in enumerate(labels_of(data, cell))
    ]
    return Metaphase(f"{name}.1", name, tuple(chromosomes))

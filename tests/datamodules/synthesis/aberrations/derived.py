"""Abnormalities derived from drawn cells, in memory."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from datamodules.sources.composed_karyograms import ComposedKaryogramsConfig
from datamodules.sources.synthetic_chromosomes import SyntheticChromosomesConfig
from datamodules.synthesis.aberrations.numerical import Derived, derive
from datamodules.synthesis.metaphase import Metaphase
from tests.datamodules.synthesis.karyotypes import drawn_cells

DATA = ComposedKaryogramsConfig(
    source="composed_karyograms",
    positive_class="abnormal",
    chromosomes=SyntheticChromosomesConfig(source="synthetic_chromosomes"),
)


@cache
def four_cells() -> tuple[Metaphase, ...]:
    """Of normal karyotype, some XX and some XY."""
    return tuple(drawn_cells(4))


def of_sex(sex: str) -> Metaphase:
    """The first of the four with "XX" or "XY"."""
    return next(cell for cell in four_cells() if cell.karyotype.iscn == f"46,{sex}")


def derived_from(
    cell: Metaphase, kind: str, seed: int = 0, donors: Sequence[Metaphase] = (), **data: object
) -> Derived | None:
    """Derive with a seed, and with keys of ``data`` other than the default."""
    return derive(cell, kind, donors, DATA.model_copy(update=data), np.random.default_rng(seed))


def texts_of(sex: str, kind: str, seeds: int = 20) -> set[str]:
    """What is derived from a cell of that sex over so many seeds."""
    found = (derived_from(of_sex(sex), kind, seed) for seed in range(seeds))
    return {derived.iscn for derived in found if derived is not None}

"""Changed training cells: a pure function of (seed, epoch, cell), with real aneuploidies and chromosomes of others."""

from collections import Counter

import numpy as np
import pytest

from common.config.data import CellChangesConfig
from common.errors import UserError
from common.karyotype import AUTOSOMES
from datamodules.transforms.cell_changes import ANEUPLOIDIES, CellChanges, Cells

OF_CELL = [*AUTOSOMES, *AUTOSOMES]
SEX = [("X", "X"), ("X", "Y"), ("X", "Y"), ("X", "X")]
CASES = ["a", "a", "b", "c"]


def cells() -> Cells:
    """Four cells, the first two of one case; a female one, two male ones and a female one."""
    labels = np.array([name for sex in SEX for name in (*OF_CELL, *sex)], dtype=object)
    items = list(np.arange(len(labels)).reshape(4, 46))
    return Cells(items, labels, np.repeat(np.array(CASES, dtype=object), 46))


def changes(seed=0, **config) -> CellChanges:
    return CellChanges(CellChangesConfig(**config), cells(), seed)


def test_it_depends_on_seed_epoch_and_cell_alone():
    drawn = changes(drop=0.1, add=0.5, aneuploidy=0.5)
    again = changes(drop=0.1, add=0.5, aneuploidy=0.5)
    other = changes(seed=1, drop=0.1, add=0.5, aneuploidy=0.5)
    keys = [(epoch, cell) for epoch in range(4) for cell in range(4)]
    assert all(np.array_equal(drawn(*key), again(*key)) for key in reversed(keys))
    assert any(not np.array_equal(drawn(*key), other(*key)) for key in keys)
    assert any(not np.array_equal(drawn(0, cell), drawn(1, cell)) for cell in range(4))


def test_no_chromosome_is_in_a_cell_twice():
    drawn = changes(add=1.0, aneuploidy=1.0)
    for epoch in range(20):
        items = drawn(epoch, epoch % 4)
        assert len(set(items)) == len(items)


def test_every_aneuploidy_is_drawn_and_nothing_else():
    drawn = changes(aneuploidy=1.0)
    found = set()
    for epoch in range(60):
        counts = Counter(drawn.cells.labels[drawn(epoch, 1)])
        normal = {**dict.fromkeys(AUTOSOMES, 2), "X": 1, "Y": 1}
        expected = [{**normal, **counts_of} for counts_of in ANEUPLOIDIES]
        observed = {name: counts[name] for name in normal}
        assert observed in expected
        found.add(expected.index(observed))
    assert found == set(range(len(ANEUPLOIDIES)))


def test_what_is_added_comes_from_the_same_case_where_it_has_another_cell():
    drawn = changes(add=1.0)
    for epoch in range(20):
        assert set(drawn.cells.cases[drawn(epoch, 0)]) == {"a"}
        assert len(set(drawn.cells.cases[drawn(epoch, 3)]) - {"c"}) > 0


def test_chromosomes_are_missing_from_every_second_cell():
    drawn = changes(drop=0.2)
    sizes = np.array([len(drawn(epoch, cell)) for epoch in range(100) for cell in range(4)])
    assert 0.4 < np.mean(sizes == 46) < 0.6
    assert sizes[sizes < 46].mean() == pytest.approx(0.8 * 46, abs=1.5)
    assert min(len(changes(drop=1.0)(epoch, 0)) for epoch in range(5)) == 46  # never an empty cell


def test_aneuploidies_need_the_classes_of_chromosomes():
    strange = Cells([np.arange(2)], np.array(["hem", "X"], dtype=object), np.array(["a", "a"], dtype=object))
    CellChanges(CellChangesConfig(drop=0.1), strange, 0)
    with pytest.raises(UserError, match="hem"):
        CellChanges(CellChangesConfig(aneuploidy=0.1), strange, 0)

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
    drawn = changes(drop=0.1, add=0.2, aneuploidy=0.5)
    again = changes(drop=0.1, add=0.2, aneuploidy=0.5)
    other = changes(seed=1, drop=0.1, add=0.2, aneuploidy=0.5)
    keys = [(epoch, cell) for epoch in range(4) for cell in range(4)]
    assert all(np.array_equal(drawn(*key), again(*key)) for key in reversed(keys))
    assert any(not np.array_equal(drawn(*key), other(*key)) for key in keys)
    assert any(not np.array_equal(drawn(0, cell), drawn(1, cell)) for cell in range(4))


def test_no_chromosome_is_in_a_cell_twice():
    drawn = changes(add=0.5, aneuploidy=1.0)
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
    drawn = changes(add=0.5)
    sizes = []
    for epoch in range(40):
        assert set(drawn.cells.cases[drawn(epoch, 0)]) == {"a"}
        sizes.append(len(drawn(epoch, 3)))
        assert (sizes[-1] > 46) == (len(set(drawn.cells.cases[drawn(epoch, 3)])) > 1)
    assert min(sizes) < 50 < 64 < max(sizes) <= 69


def test_a_share_of_the_chromosomes_is_missing_that_differs_from_cell_to_cell():
    drawn = changes(drop=0.6)
    sizes = np.array([len(drawn(epoch, cell)) for epoch in range(100) for cell in range(4)])
    assert sizes.mean() == pytest.approx(0.7 * 46, abs=1.5)
    assert sizes.min() < 23 < 44 < sizes.max() <= 46


def test_a_cell_is_never_empty():
    assert all(len(changes(drop=1.0, seed=seed)(0, cell)) for seed in range(50) for cell in range(4))


def test_aneuploidies_need_the_classes_of_chromosomes():
    strange = Cells([np.arange(2)], np.array(["hem", "X"], dtype=object), np.array(["a", "a"], dtype=object))
    CellChanges(CellChangesConfig(drop=0.1), strange, 0)
    with pytest.raises(UserError, match="hem"):
        CellChanges(CellChangesConfig(aneuploidy=0.1), strange, 0)

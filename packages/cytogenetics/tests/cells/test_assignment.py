import numpy as np
import pytest
from hypothesis import strategies as st

from cytogenetics.cells.assignment import CHROMOSOMES, assign_cells, numbered_cells, refusal, unassignable
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import karyotype_posterior
from karyocyte.common.errors import UserError
from karyocyte.runs.predictions import Predictions
from packages.cytogenetics.tests.cells.cells import CLASSES, calibrated, karyotype, make_cells

seeds = st.integers(0, 2**32 - 1)
sexes = st.sampled_from(["XX", "XY"])
kinds = st.lists(st.sampled_from(CHROMOSOMES[:22]), max_size=3, unique=True)


def drawn(labels, seed, skill=3.0):
    """Log-probabilities of a cell's chromosomes in a random order, and that order's classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(labels)
    return np.log(calibrated(labels, rng, skill)), labels


def sure(labels, wrong=1e-4):
    """Log-probabilities of a network that gives each chromosome's true class all but ``wrong``."""
    probabilities = np.full((len(labels), 24), wrong / 23)
    probabilities[np.arange(len(labels)), labels] = 1 - wrong
    return np.log(probabilities)


@pytest.mark.parametrize(
    ("sex", "extra", "lost"),
    [
        ("XX", ["21"], []),  # Down
        ("XX", ["Y"], []),  # 47,XXY: Klinefelter
        ("XY", ["Y"], []),  # 47,XYY
        ("XX", [], ["X"]),  # 45,X: Turner
        ("XX", ["21"], ["4"]),  # a trisomy, and a chromosome lost in preparation
    ],
)
def test_abnormal_numbers_are_recovered(sex, extra, lost):
    """Though the most probable class of two chromosomes is wrong."""
    labels = karyotype(sex, extra, lost)
    logs = sure(labels, wrong=1e-6)
    doubtful = [0, 9]  # a chromosome 1 rather a 2, and a chromosome 5 rather a 7
    for row, rather in zip(doubtful, (1, 6), strict=True):
        logs[row, [labels[row], rather]] = np.log([0.3, 0.69])
    assert not np.array_equal(logs.argmax(axis=1), labels)
    (best, *_), _ = karyotype_posterior(logs, KaryotypePriors())
    assert np.array_equal(best.classes, labels)


def test_cells_are_assigned_independently_of_the_order_of_rows_and_classes():
    cells = make_cells([karyotype("XX"), karyotype("XY", ["21"]), karyotype("XX", [], ["X"])], skill=4.0)
    assigned = assign_cells(cells)
    numbers = numbered_cells(cells.frame)
    for number in range(3):
        rows = numbers == number
        (best, *_), _ = karyotype_posterior(np.log(cells.probabilities[rows]), KaryotypePriors())
        assert np.array_equal(assigned[rows], best.classes)
    names = np.array(cells.classes)[assigned]
    order = np.random.default_rng(0).permutation(len(assigned))
    by_text = tuple(sorted(CLASSES))
    shuffled = Predictions(cells.frame.iloc[order].reset_index(drop=True), by_text, None, cells.about)
    assert np.array_equal(np.array(by_text)[assign_cells(shuffled)], names[order])


def test_cells_of_two_subjects_may_have_the_same_id_and_labels_are_not_needed():
    cells = make_cells(4, cells_per_subject=1)
    expected = assign_cells(cells)
    cells.frame["cell"] = "cell 1"
    cells.frame.loc[::5, "label"] = None
    assert np.array_equal(assign_cells(cells), expected)
    few = make_cells([karyotype("XX"), karyotype("XY")[:10]])  # too few keep their most probable classes
    assert unassignable(few) == 1
    assert np.array_equal(assign_cells(few)[46:], few.probabilities[46:].argmax(axis=1))


def _without_cells(cells):
    cells.frame["cell"] = None


def _in_two_parts(cells):
    cells.frame.loc[0, "part"] = "validation"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells.about.update(protocol="image"), "protocol=image"),
        (lambda cells: cells.about.update(protocol="paper"), "protocol=paper"),
        (_in_two_parts, "cell_0000 is split"),
        (_without_cells, "no test image names its cell"),
    ],
)
def test_cells_that_are_split_or_unknown_are_refused(change, message):
    cells = make_cells(2)
    assert refusal(cells) is None
    change(cells)
    with pytest.raises(UserError, match=message):
        assign_cells(cells)

"""Which cells are referred: reasons, and thresholds chosen on validation cells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cytogenetics.cells.assigned import ASSIGNED, REFERRED
from cytogenetics.cells.cell_karyotype import karyotype_of_cell
from cytogenetics.cells.cell_referral import FEW, MEASURED, RIGHT, assess_cells, choose_cell_thresholds
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import fit_temperature
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.terminal import whole
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype, make_cell_run, make_cells
from packages.cytogenetics.tests.cells.test_assignment import sure
from tests.helpers.predictions import join, make_run
from tests.helpers.terminal import printed

NAMING = NamingSettings(KaryotypePriors(), 0.95, False)


def assessed(expected, right, distance=np.nan, referred=False):
    """Return a table as ``assess_cells`` does."""
    table = {"expected_wrong": expected, "distance": distance, "referred": referred}
    return pd.DataFrame({**table, "right": pd.Series(right, dtype=object)})


def exchangeable():
    """Return the log-probabilities of a cell of which a 4 and a 5 could be exchanged."""
    labels = karyotype("XX")
    logs = sure(labels, wrong=1e-6)
    rows = [int(np.flatnonzero(labels == CLASSES.index(name))[0]) for name in ("4", "5")]
    for row in rows:
        logs[row, [CLASSES.index("4"), CLASSES.index("5")]] = np.log([0.55, 0.45] if row == rows[0] else [0.45, 0.55])
    return logs


def test_a_right_karyotype_with_chromosomes_that_may_be_exchanged_is_referred():
    cell = karyotype_of_cell(exchangeable(), {}, NAMING)
    assert (cell.karyotype.iscn, cell.reasons) == ("46,XX", ())
    # Both right or both wrong, so that the odds of 0.55 to 0.45 count twice.
    share = 0.45**2 / (0.45**2 + 0.55**2)
    assert cell.expected_wrong == pytest.approx(2 * share, abs=1e-3)
    assert cell.doubts(np.nan, CellThresholds(), []) == ["about 0.8 of 46 chromosomes may be wrong"]
    assert cell.doubts(1.5, CellThresholds(0.9, 1.2), []) == ["mean distance from the training images 1.5, above 1.2"]
    (of_boxes,) = replace(cell, boxes_wrong=0.4).doubts(np.nan, CellThresholds(), [])
    assert of_boxes == "about 1.2 of 46 chromosomes may be wrong, 0.4 of them by a wrong or missing box"
    rows = {row: int(call.argmax()) for row, call in enumerate(exchangeable())}
    assert karyotype_of_cell(exchangeable(), rows, NAMING).expected_wrong == 0


def test_the_threshold_is_the_largest_that_leaves_enough_cells_without_an_error():
    expected = np.arange(40) / 100
    right = np.ones(40, bool)
    right[[25, 36, 39]] = False
    # 35 of 36 cells are right below the second error, 37 of 39 (0.949) below the third.
    assert choose_cell_thresholds(assessed(expected, right), 0.05) == CellThresholds(0.35)
    right[36] = True
    assert choose_cell_thresholds(assessed(expected, right), 0.05).expected_wrong == 0.39
    # What is referred for another reason does not count.
    assert choose_cell_thresholds(assessed(expected, right, referred=~right), 0.05).expected_wrong == 0.38


def test_the_threshold_of_the_distance_is_a_quantile_of_all_cells():
    chosen = choose_cell_thresholds(assessed(0.0, [True] * 101, distance=np.arange(101) / 100), 0.1)
    assert chosen.distance == 0.9


@pytest.mark.parametrize(
    ("cells", "right", "threshold"),
    [(FEW, True, 0.5), (0, True, 0.5), (2 * FEW, False, 0.0), (FEW + 1, True, None), (FEW + 1, None, 0.5)],
)
def test_few_validation_cells_choose_no_reliable_threshold(cells, right, threshold):
    chosen = choose_cell_thresholds(assessed(np.arange(cells) / 100, [right] * cells), 0.05)
    assert chosen.expected_wrong == (FEW / 100 if threshold is None else threshold)
    assert (chosen.note is None) == (threshold is None)
    if chosen.note:
        assert "is not reliable" in chosen.note


@pytest.mark.parametrize("skill", [4.0, 5.0])
def test_the_share_holds_on_the_validation_cells(skill):
    part = make_cells(40, skill=skill, part="validation")
    cells = assess_cells(part, 1.0, NAMING)
    assert len(cells) == 40
    wrong = (1 - part.probabilities.max(axis=1)).sum()
    assert 0 < cells["expected_wrong"].sum() < wrong  # the other chromosomes of a cell help
    chosen = choose_cell_thresholds(cells, 0.05)
    limits = [chosen.expected_wrong, np.inf]
    left = cells[~cells["referred"] & (cells[MEASURED].fillna(0).to_numpy() <= limits).all(axis=1)]
    assert left["right"].mean() >= RIGHT
    assert len(left) > 0
    part.frame.loc[0, "label"] = None  # a cell with an unknown label is neither right nor wrong
    assert assess_cells(part, 1.0, NAMING)["right"].iloc[0] is None


SETTINGS = EvaluationConfig(resamples=50, assignment=AssignmentConfig(enabled=True))


def referral_by_hand(run):
    """Count test cells of a run: all, those that are not referred, and of these the right ones."""
    validation = run.part("validation")
    temperature = fit_temperature(score(validation)).value
    chosen = choose_cell_thresholds(assess_cells(validation, temperature, NAMING), 0.05)
    cells = assess_cells(run.part("test"), temperature, NAMING)
    left = []
    for cell in cells.itertuples():
        if not cell.referred and cell.expected_wrong <= chosen.expected_wrong:
            left.append(cell.right)
    return np.array([len(cells), len(left), sum(left)])


def test_each_fold_refers_its_test_cells_above_its_own_thresholds():
    runs = [make_cell_run(fold, cells=24, skill=3.5 + fold / 2) for fold in range(2)]
    cells, left, right = sum(map(referral_by_hand, runs))
    assert cells > left > right > 0
    result = evaluate_runs(runs, SETTINGS)
    referred, of_others = result.of(REFERRED).values()
    assert (referred.value, of_others.value) == pytest.approx(((cells - left) / cells, right / left))
    assert of_others.low < of_others.value < of_others.high
    assert of_others.n == result.test.subjects
    assert f"of the others {of_others} have no wrong chromosome" in " ".join(printed(whole(result)).split())


def test_cells_without_a_known_error_rate_are_not_evaluated():
    run = make_cell_run(cells=4)
    run.frame.loc[run.frame["part"] == "test", "label"] = run.frame["label"].where(run.frame.index % 46 > 0, None)
    referred, right = evaluate_runs([run], SETTINGS).of(REFERRED).values()
    assert (referred.value, right.value) == (None, None)
    assert not evaluate_runs([make_cell_run(cells=4).validation_as_test()], SETTINGS).of(REFERRED)
    assert not evaluate_runs([make_run(classes=("a", "b", "c"))], SETTINGS).of(REFERRED)


def test_validation_images_without_a_cell_choose_no_threshold():
    run = make_cell_run(cells=24)
    single = make_cells(1, part="validation", first=9000)
    single.frame["cell"] = None
    assert evaluate_runs([join(run, single)], SETTINGS).of(ASSIGNED)
    warnings = evaluate_runs([join(run.part("test"), single)], SETTINGS).warnings
    assert any("rests on 0 of 0 validation cells" in warning.text for warning in warnings)

"""Whole cells before and after their chromosomes are assigned jointly."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from cytogenetics.cells.assigned import ASSIGNED, CELL_METRICS, CELLS, cells_table
from cytogenetics.cells.assignment import assign_cells, numbered_cells
from cytogenetics.cells.cell_metrics import CellMetrics, assigned_table, cell_metric_names
from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.pooling.sections import turned_on
from karyocyte.evaluation.run.evaluate import evaluate_runs, write_evaluation
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.tables import classes_table
from karyocyte.evaluation.tables.terminal import whole
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.runs.predictions import Predictions
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype, make_cell_run, make_cells
from tests.helpers.predictions import join, make_run
from tests.helpers.terminal import printed

pytestmark = pytest.mark.usefixtures("blank_figures")
SETTINGS = EvaluationConfig(resamples=50, assignment=AssignmentConfig(enabled=True))
MIXED = [karyotype("XX"), karyotype("XY"), karyotype("XY", ["21"]), karyotype("XX", [], ["X"]), karyotype("XX", ["Y"])]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run, its evaluation and its folder."""
    folder = tmp_path_factory.mktemp("run")
    run = make_cell_run(cells=20, skill=3.0)
    return run, write_evaluation(folder, run, SETTINGS), folder


def cells_of(*runs):
    """The counts of cells, the metrics, and the confusion of assigned classes."""
    result = evaluate_runs(list(runs), SETTINGS)
    counts = {name: count.value for name, count in result.of(CELLS).items()}
    return counts, result.of(ASSIGNED), result.confusions[ASSIGNED]


def metrics_of(run, weights=None):
    """The metrics of test cells by name, with a weight per subject."""
    test = LabelledRuns.of([run], SETTINGS).test
    cells = numbered_cells(run.frame)
    metrics = CellMetrics(test, assign_cells(run), cells, np.ones(cells.max() + 1, bool))
    weights = np.ones(test.cluster_count) if weights is None else weights
    return dict(zip(cell_metric_names(CLASSES), metrics(weights[None])[:, 0], strict=True))


def by_hand(test, calls):
    """What a plain loop over the cells gives: right, abnormal, counts exact, called abnormal."""
    normal = [np.bincount(karyotype(sex), minlength=24).tolist() for sex in ("XX", "XY")]
    rows = []
    for _, cell in test.frame.assign(call=calls, true=test.labels).groupby("cell"):
        true, actual = (np.bincount(cell[column], minlength=24).tolist() for column in ("true", "call"))
        rows.append(((cell["true"] == cell["call"]).all(), true not in normal, true == actual, actual not in normal))
    return np.array(rows).T


def warnings_of(runs, settings=SETTINGS):
    return list(map(str, evaluate_runs(runs, settings).warnings))


def test_tables_of_classes_and_cells_have_the_figures_one_by_one_and_jointly_in_their_columns(written):
    result = written[1]
    metrics = result.metrics | result.of(ASSIGNED)
    matrices = (result.test.confusion, result.confusions[ASSIGNED])
    mistakes = []
    for index, row in enumerate(classes_table(result).rows):
        name = CLASSES[index]
        alone, jointly = (np.array(matrix[index]) for matrix in matrices)
        recall = jointly[index] / jointly.sum()
        figures = [metrics[f"{kind}/{name}"] for kind in ("recall", "precision", "f1")]
        assert list(row[:5]) == [name, alone.sum(), *figures]
        assert row[6] == pytest.approx(recall)
        for counts, mistake in ((alone, row[5]), (jointly, row[7])):
            counts[index] = 0
            assert counts.max() == (counts[CLASSES.index(mistake)] if mistake else 0)
        mistakes.append(row[5] != row[7])
    assert any(mistakes)
    rows = cells_table(result).rows
    assert {row[0].short for row in rows} == set(CELL_METRICS)
    for name, *figures in rows:
        assert figures == [metrics[name.short], metrics[f"{name.short}_assigned"]]


def test_accuracy_and_macro_f1_after_the_assignment_are_scikit_learns():
    test = make_cells(MIXED * 3, skill=3.0)
    assigned = assign_cells(test)
    values = {name: interval.value for name, interval in cells_of(test)[1].items()}
    assert values["accuracy_assigned"] == pytest.approx(reference.accuracy_score(test.labels, assigned))
    assert values["f1_macro_assigned"] == pytest.approx(reference.f1_score(test.labels, assigned, average="macro"))
    recalls = reference.recall_score(test.labels, assigned, average=None)
    assert [values[f"recall/{name}_assigned"] for name in CLASSES] == pytest.approx(recalls.tolist())


def test_cells_are_counted_as_by_hand():
    test = make_cells(MIXED * 4, skill=4.0, seed=2)
    counts, metrics, _ = cells_of(test)
    calls = {("", "_before"): test.probabilities.argmax(axis=1)}
    calls["_assigned", ""] = assign_cells(test)
    for (suffix, key), classes in calls.items():
        right, abnormal, exact, alarm = by_hand(test, classes)
        assert metrics[f"cells_right{suffix}"].value == right.mean()
        assert metrics[f"abnormal_recovered{suffix}"].value == exact[abnormal].mean()
        assert metrics[f"normal_alarmed{suffix}"].value == alarm[~abnormal].mean()
        assert counts[f"recovered{key}"] == exact[abnormal].sum()
        assert counts[f"alarmed{key}"] == alarm[~abnormal].sum()
    assert (counts["abnormal"], counts["normal"], counts["cells"]) == (12, 8, 20)
    assert 0 < metrics["cells_right"].value < metrics["cells_right_assigned"].value


def test_weights_of_subjects_are_copies_of_their_cells():
    test = make_cells(MIXED * 2, skill=3.0, cells_per_subject=2)
    weights = np.random.default_rng(0).integers(0, 3, 5)
    copies = []
    for subject, weight in enumerate(weights):
        rows = test.frame[test.frame["subject"] == f"case_{subject:04d}"]
        for copy in range(weight):
            copies.append(rows.assign(cell=f"{copy} " + rows["cell"], image_id=f"{copy} " + rows["image_id"]))
    drawn = Predictions(pd.concat(copies, ignore_index=True), test.classes, None, test.about)
    assert metrics_of(test, weights) == pytest.approx(metrics_of(drawn), nan_ok=True)


def test_unlabelled_chromosomes_leave_their_cell_out_of_the_counts():
    test = make_cells(MIXED, skill=5.0)
    test.frame.loc[test.frame["cell"] == "cell_0000", "label"] = None
    test.frame.loc[test.frame.index[test.frame["cell"] == "cell_0002"][0], "label"] = None
    counts, _, matrix = cells_of(test)
    # The first cell has no label at all, the trisomy lacks one.
    assert (counts["cells"], counts["normal"], counts["abnormal"]) == (4, 1, 2)
    assert np.sum(matrix) == 46 + 46 + 45 + 47


def test_cells_are_drawn_where_subjects_are_unknown():
    run = make_cell_run(cells=24)
    run.frame["subject"] = None
    result = evaluate_runs([run], SETTINGS)
    assert result.metrics["accuracy"].n == result.of(ASSIGNED)["cells_right"].n == 24
    assert result.test.drawn == "cells"
    assert any(str(line).startswith("test: no subject is known") for line in result.warnings)


def test_an_evaluation_of_cells_survives_json_and_is_written(written):
    run, result, folder = written
    assert EvaluationResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False))) == result
    tables = {"metrics.json", "metrics.csv", "assigned.csv"}
    names = ("confusion_matrix", "confusion_matrix_assigned", "roc", "reliability", "risk_coverage")
    pictures = {f"{name}.png" for name in names}
    assert {path.name for path in folder.iterdir()} == tables | pictures
    test = run.part("test")
    rows = pd.read_csv(folder / "assigned.csv", dtype=str)
    assert rows["image_id"].tolist() == test.frame["image_id"].tolist()
    assert rows["label"].tolist() == test.frame["label"].tolist()
    assert rows["assigned"].tolist() == np.array(CLASSES)[assign_cells(run)].tolist()
    assert "most probable karyotype" in printed(whole(result))
    accuracy = result.of(ASSIGNED)["accuracy_assigned"]
    assert f"; {accuracy} of the chromosomes named jointly are right; " in sentence(result)
    assert rows["argmax"].tolist() == np.array(CLASSES)[test.probabilities.argmax(axis=1)].tolist()


def test_whole_cells_turn_the_assignment_on_where_no_key_does():
    off = EvaluationConfig(resamples=50)
    cells, others = [make_cell_run(cells=2)], [make_run()]
    assert turned_on(off, cells) == SETTINGS
    assert turned_on(SETTINGS, others) == off
    assert turned_on(SETTINGS, others, kept={"assignment.enabled"}) == SETTINGS


def test_folds_are_pooled():
    runs = [make_cell_run(fold, cells=4, skill=3.0) for fold in range(3)]
    counts, _, matrix = cells_of(*runs)
    single = [cells_of(run) for run in runs]
    assert np.array_equal(matrix, np.sum([of_fold for *_, of_fold in single], axis=0))
    assert counts == {name: sum(each[name] for each, *_ in single) for name in counts}
    assert len(assigned_table(runs)) == len(pool(runs).frame)


def test_test_images_without_a_cell_are_left_out_of_the_assignment():
    run = make_cell_run(cells=6, skill=3.0)
    single = make_cells(1, first=9000)
    single.frame["cell"] = None
    mixed, (known, metrics, _) = evaluate_runs([join(run, single)], SETTINGS), cells_of(run)
    assert mixed.of(CELLS)["cells"].value == known["cells"]
    assert mixed.of(ASSIGNED)["accuracy_assigned"].value == metrics["accuracy_assigned"].value
    assert any("46 test images without a cell are not assigned" in str(warning) for warning in mixed.warnings)


def test_a_warning_names_what_cannot_be_assigned_and_the_rest_is_evaluated():
    torn = evaluate_runs([make_cell_run(cells=4, protocol="image")], SETTINGS)
    assert not torn.of(ASSIGNED)
    assert any("not assigned: protocol=image " in line for line in map(str, torn.warnings))
    assert torn.metrics["accuracy"].value > 0.5
    size = "fewer than 22 or more than 70 chromosomes"
    lines = warnings_of([make_cells([karyotype("XX")] * 3 + [karyotype("XX")[:9]])])
    assert f"assignment: 1 cell of {size} keep their most probable classes" in lines
    assert any("which a, b, c does not fit" in line for line in warnings_of([make_run(classes=("a", "b", "c"))]))
    off = evaluate_runs([make_cell_run(cells=4)], EvaluationConfig(resamples=20))
    assert not off.of(ASSIGNED)
    assert not any("assign" in line for line in map(str, off.warnings))

"""Cells in what an evaluation writes and shows."""

import pandas as pd
import pytest

from cytogenetics.cells.assigned import ASSIGNED
from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.pooling.sections import turned_on
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.results_csv import append_rows, rows_of
from karyocyte.evaluation.tables.terminal import headline
from karyocyte.workflows.report.summary import tiles
from packages.cytogenetics.tests.cells.cells import make_cell_run, make_cells
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))


def test_cells_assigned_jointly_have_rows_of_all_folds(tmp_path):
    runs = [make_cell_run(fold, cells=6, images_seen=1000 + fold, wall_seconds=10.4) for fold in range(2)]
    result = evaluate_runs(runs, SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of(result, "cells"))
    table = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False).set_index("metric")
    assert table.index.is_unique
    for metric in ("cells_right", "cells_right_assigned", "accuracy_assigned", "recall/X_assigned"):
        values, mean = (result.of(ASSIGNED, part)[metric] for part in ("test", "fold mean"))
        expected = [values.value, values.low, values.high, mean.value, mean.low, mean.high]
        columns = ["value", "low", "high", "mean_over_folds", "mean_low", "mean_high"]
        assert table.loc[metric, columns].astype(float).tolist() == pytest.approx(expected, abs=1e-6), metric
    for column, value in {"images_seen": "2001", "wall_seconds": "21", "folds": "0 1"}.items():
        assert set(table[column]) == {value}


def test_the_accuracy_of_the_joint_assignment_is_seen_first():
    result = evaluate_runs([make_cells(6, skill=3.0)], SETTINGS)
    accuracy = result.of(ASSIGNED)["accuracy_assigned"]
    assert headline(result).endswith(f"accuracy {result.metrics['accuracy']}, jointly {accuracy}")
    first = tiles(result)[1]
    assert (first.label, first.value) == ("chromosomes right, jointly", f"{accuracy.value:.3f}")
    assert first.note == "joint assignment of 6 cells"


def test_whole_cells_turn_the_assignment_on_where_no_key_does():
    off = EvaluationConfig(resamples=20)
    cells, others = [make_cell_run(cells=2)], [make_run()]
    assert turned_on(off, cells) == SETTINGS
    assert turned_on(SETTINGS, others) == off
    assert turned_on(SETTINGS, others, kept={"assignment.enabled"}) == SETTINGS

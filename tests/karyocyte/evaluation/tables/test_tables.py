"""The cells of the tables are those that their headings name."""

import numpy as np
import pandas as pd
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.renderers import frame_table, terminal
from karyocyte.evaluation.tables.tables import (
    calibration_table,
    metrics_table,
    referral_table,
    subgroups_table,
    subjects_table,
)
from karyocyte.evaluation.types.formats import of_folds
from karyocyte.evaluation.types.result import Interval, Kind
from karyocyte.evaluation.types.table import Named, Table
from tests.helpers.predictions import make_run, with_passes
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=20)


def rows_of(table):
    """The rows of a table, each by column; names in their short form."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {getattr(next(iter(row.values())), "short", None) or next(iter(row.values())): row for row in rows}


@pytest.fixture(scope="module")
def result():
    """Of two folds, whose sensitivity and specificity differ, and which differ between the thresholds."""
    runs = [with_passes(make_run(fold, images=60, subjects=20, skill=0.6), noise=2.0) for fold in range(2)]
    for run in runs:
        run.frame["group"] = np.tile(["Leishman", "Wright"], 60)
    return evaluate_runs(runs, SETTINGS)


def test_metrics_are_at_one_half_of_folds_and_at_the_threshold(result):
    rows = rows_of(metrics_table(result))
    assert {"accuracy", "sensitivity", "specificity", "auc"} <= set(rows)
    for name, row in rows.items():
        means = result.of(Kind.AT_HALF, "fold mean")[name]
        expected = [result.metrics[name], means, result.of(Kind.AT_THRESHOLD)[name]]
        assert list(row.values())[1:] == expected
    assert rows["accuracy"]["at 0.5"] != rows["accuracy"]["at own threshold"] != rows["accuracy"]["fold mean"]


def test_subjects_subgroups_and_calibration_have_the_figures_of_their_columns(result):
    cuts = sorted(metrics["threshold"].value for metrics in result.figures.values() if "threshold" in metrics)
    assert f"positive from {cuts[0]:.3f} to {cuts[-1]:.3f} (" in " ".join(subjects_table(result).notes)
    for name, row in rows_of(subjects_table(result)).items():
        assert row["by mean"] == result.of(Kind.BY_SUBJECT)[name]
    for name, row in rows_of(subgroups_table(result)).items():
        metrics = result.of(name)
        for count in ("images", "subjects"):
            assert row.pop(count) == metrics[count].value
        assert {heading: metrics[heading] for heading in list(row)[1:]} == dict(list(row.items())[1:])
    for name, row in rows_of(calibration_table(result)).items():
        expected = [result.of(section)[name] for section in (Kind.CALIBRATED, Kind.SCALED, Kind.SAMPLED)]
        assert list(row.values())[1:] == expected


@pytest.mark.parametrize(
    ("threshold", "text"), [([None], "0.500"), ([0.25, 0.25], "0.250"), ([0.75, None], "0.500 to 0.750")]
)
def test_one_threshold_is_written_alone_and_those_of_folds_by_their_ends(threshold, text):
    assert of_folds(threshold, digits=3, unknown=0.5) == text


@pytest.mark.parametrize("classes", ["ab", "abc"])
def test_referral_has_what_the_cut_refers(classes):
    result = evaluate_runs([make_run(images=90, classes=tuple(classes))], SETTINGS)
    row = rows_of(referral_table(result))["confidence"]
    assert {"referred": row["referred"], "correct": row["on test"]} == result.of(Kind.REFERRAL)


def test_every_column_of_a_table_in_the_terminal_has_its_heading():
    text = printed(frame_table(pd.DataFrame({"model": ["a"], "accuracy": [0.5]})))
    heading, _, row = text.split("\n")[1:4]
    assert (heading.split(), row.split()) == (["model", "accuracy"], ["a", "0.500"])


def test_no_figure_is_cut_beside_a_long_name():
    name = "average: " + ", ".join(["mobilenetv2_last7", "resnet50_cut_block5_d512", "scratch_cnn_d256_dropout2"])
    figures = {metric: Interval(0.123, 0.111, 0.999) for metric in ("f1_weighted", "auc")}
    figures["less"] = Interval(-0.074, -0.121, -0.027)
    table = Table.of("Figures", [{"experiment": Named(f"1 {name}"), "images": 12345, **figures}])
    text = printed(terminal(table), width=80)
    assert text.count("0.123") == text.count("(0.111-0.999)") == 2
    assert [each in text for each in ("12,345", "(-0.121..-0.027)", "…")] == [True, True, False]

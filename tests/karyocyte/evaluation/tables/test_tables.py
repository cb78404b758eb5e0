"""The cells of the tables are those that their headings name."""

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.tables import (
    calibration_table,
    limits,
    metrics_table,
    operating_points_table,
    referral_table,
    subgroups_table,
    subjects_table,
    triage_table,
)
from tests.helpers.predictions import make_run, with_passes

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
        means = result.fold_means.metrics.get(name)
        expected = [result.test.metrics[name], means, result.test.metrics_at_threshold[name]]
        assert list(row.values())[1:] == expected
    assert rows["accuracy"]["at 0.5"] != rows["accuracy"]["at own threshold"] != rows["accuracy"]["fold mean"]


def test_operating_points_have_their_sensitivity_specificity_and_predictive_values(result):
    at_half, chosen, *others = rows_of(operating_points_table(result)).values()
    names = ("sensitivity", "specificity", "precision/all", "precision/hem")
    for row, metrics in ((at_half, result.test.metrics), (chosen, result.test.metrics_at_threshold)):
        assert list(row.values())[1:] == [metrics[name] for name in names]
        assert len({metrics[name].value for name in names}) == 4
    assert [heading[-5:] for heading in at_half][3:] == ["(PPV)", "(NPV)"]
    points = [(row["sensitivity"], row["specificity"]) for row in others]
    assert points == [(point.sensitivity, point.specificity) for point in result.operating_points]


def test_subjects_subgroups_and_calibration_have_the_figures_of_their_columns(result):
    for name, row in rows_of(subjects_table(result)).items():
        for rule, evaluated in result.by_subject.rules.items():
            assert row[f"by {rule}"] == evaluated.metrics.get(name)
    groups = rows_of(subgroups_table(result))
    for group in result.subgroups:
        row = groups[f"{group.by} {group.group}"]
        assert (row["images"], row["subjects"]) == (group.images, group.subjects)
        assert {row[name] == metric for name, metric in group.metrics.items() if name in row} == {True}
    sides = result.calibration
    for name, row in rows_of(calibration_table(result)).items():
        expected = [side.intervals[name] for side in (sides.before, sides.after, sides.sampled)]
        assert list(row.values())[1:] == expected


def test_the_rules_of_triage_have_their_counts(result):
    for rule in result.triage.rules:
        row = rows_of(triage_table(result))[rule.rule]
        assert row["reviewed"] == f"{rule.review} ({rule.review_share:.1%})"
        counts = [row[name] for name in ("alone", "missed", "false alarms")]
        assert counts == [rule.alone, rule.missed, rule.false_alarms]
        assert (row["accuracy"], row["sensitivity"]) == (rule.accuracy, rule.sensitivity)
    assert any(rule.missed != rule.false_alarms for rule in result.triage.rules)


@pytest.mark.parametrize(
    ("threshold", "text"), [(0.25, "0.250"), (None, "0.500"), ([0.25, 0.25], "0.250"), ([0.75, 0.25], "0.25-0.75")]
)
def test_one_threshold_is_written_alone_and_those_of_folds_by_their_ends(threshold, text):
    assert limits(threshold) == text


def test_referral_of_many_classes_has_what_the_cut_refers():
    result = evaluate_runs([make_run(images=90, classes=tuple("abc"))], SETTINGS)
    referral = result.referral
    rows = rows_of(referral_table(result))
    assert (rows["confidence"]["referred"], rows["confidence"]["on test"]) == (referral.referred, referral.correct)

"""Validation against test of what an ensemble fitted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import f1_score, roc_auc_score

from common.config.schema import EvaluationConfig
from evaluation.comparison.paired import paired_difference
from evaluation.ensembles.methods import Combiner
from evaluation.ensembles.overfitting import (
    MEMBER,
    METHOD,
    POOLED,
    Candidate,
    draw_overfitting,
    overfitting,
    overfitting_table,
)
from tests.helpers.predictions import make_run
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=50)


def candidate(label, folds=1, seed=0, kind=METHOD, parameters=3, nested=None):
    runs = tuple(make_run(fold, seed=seed, about={"name": label}) for fold in range(folds))
    combiner = Combiner("genetic", np.full(parameters + 1, 1 / (parameters + 1)))
    return Candidate(label, kind, runs, nested, (combiner,) * folds)


@pytest.fixture(scope="module")
def table():
    average = candidate("average", seed=1, parameters=0)
    member = candidate("[red]", seed=2, kind=MEMBER, parameters=0)
    fitted = candidate("genetic", seed=3, nested=(make_run(seed=4),))
    return overfitting([member, average, fitted], average, SETTINGS)


def row(table, model, metric="f1_weighted", fold=POOLED):
    rows = table[(table["model"] == model) & (table["metric"] == metric) & (table["fold"] == fold)]
    assert len(rows) == 1
    return rows.iloc[0]


def f1(rows):
    return f1_score(rows.labels, rows.probabilities[:, 1] >= 0.5, average="weighted")


def test_each_part_has_its_metrics(table):
    run = make_run(seed=3)
    fitted = row(table, "genetic")
    for part in ("validation", "test"):
        rows = run.part(part)
        assert fitted[part] == pytest.approx(f1(rows))
        assert fitted[f"{part}_low"] < f1(rows) < fitted[f"{part}_high"]
        assert row(table, "genetic", "auc")[part] == pytest.approx(roc_auc_score(rows.labels, rows.probabilities[:, 1]))
    assert fitted["nested"] == pytest.approx(f1(make_run(seed=4).part("validation")))
    assert fitted["gap"] == pytest.approx(fitted["validation"] - fitted["test"])
    assert fitted["optimism"] == pytest.approx(fitted["validation"] - fitted["nested"])
    assert (fitted["validation_images"], fitted["test_images"], fitted["test_subjects"]) == (60, 60, 12)


def test_the_difference_is_the_paired_one_on_the_test_images(table):
    tests = [make_run(seed=seed).part("test") for seed in (3, 1)]
    expected = paired_difference(*tests, ("f1_weighted",), SETTINGS)["f1_weighted"]
    fitted = row(table, "genetic")
    difference = fitted[["difference", "difference_low", "difference_high"]].tolist()
    assert difference == pytest.approx([expected.value, expected.low, expected.high])
    assert 0 <= fitted["mcnemar_p"] <= 1
    assert pd.isna(row(table, "average")["difference"])


def test_folds_are_measured_together_and_one_by_one():
    average = candidate("average", folds=2, parameters=0)
    fitted = candidate("genetic", folds=2, seed=3)
    table = overfitting([average, fitted], average, SETTINGS)
    assert list(table["fold"].unique()) == [POOLED, "0", "1"]
    assert row(table, "genetic")["test_images"] == 120
    runs = [run.part("validation") for run in fitted.runs]
    labels = np.concatenate([run.labels for run in runs])
    scores = np.concatenate([run.probabilities[:, 1] for run in runs])
    assert row(table, "genetic", "auc")["validation"] == pytest.approx(roc_auc_score(labels, scores))
    second = fitted.runs[1].part("test")
    expected = roc_auc_score(second.labels, second.probabilities[:, 1])
    assert row(table, "genetic", "auc", "1")["test"] == pytest.approx(expected)
    assert pd.isna(row(table, "genetic")["nested"])


def test_the_terminal_shows_members_and_how_many_numbers_were_fitted(table):
    text = printed(overfitting_table(table, "f1_weighted"), width=100)
    for words in ("[red]", "genetic (3)", "nested", f"{row(table, 'genetic')['difference']:+.3f}"):
        assert words in text
    assert "nested" not in printed(overfitting_table(table.assign(nested=np.nan), "f1_weighted"), width=100)


def test_the_plot_separates_fitted_metrics_from_others(table, tmp_path, saved_figures):
    draw_overfitting(tmp_path / "o.png", table, make_run().about)
    assert min(Image.open(tmp_path / "o.png").size) > 300
    lines = {line.get_label(): line.get_xdata() for line in saved_figures[0].axes[0].get_lines()}
    assert np.isfinite(lines["validation, fitted on these images"]).tolist() == [False, False, True]
    expected = [row(table, "[red]")["validation"], row(table, "average")["validation"], row(table, "genetic")["nested"]]
    assert lines["validation, not fitted on these images"].tolist() == pytest.approx(expected)


def test_undefined_metrics_are_left_out(tmp_path):
    run = make_run()
    run = replace(run, frame=run.frame[run.frame["label"] == "hem"])
    average = Candidate("average", METHOD, (run,))
    table = overfitting([average], average, SETTINGS)
    assert pd.isna(row(table, "average", "auc")["test"])
    draw_overfitting(tmp_path / "o.png", table, run.about)
    assert "-" in printed(overfitting_table(table, "auc"), width=100)

"""Validation against test of what an ensemble fitted."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from sklearn.metrics import f1_score, roc_auc_score

from common.config.schema import EvaluationConfig
from evaluation.comparison.paired import paired_difference
from evaluation.ensembles.methods import Combiner
from evaluation.ensembles.overfitting import MEMBER, METHOD, POOLED, Candidate, overfitting, overfitting_table
from evaluation.ensembles.plots import draw_overfitting
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=50)


def candidate(label, folds=1, seed=0, kind=METHOD, parameters=3, nested=None, skill=1.5):
    runs = tuple(make_run(fold, seed=seed, skill=skill, about={"name": label}) for fold in range(folds))
    combiner = Combiner("genetic", np.full(parameters + 1, 1 / (parameters + 1)))
    return Candidate(label, kind, runs, nested and tuple(nested), (combiner,) * folds)


@pytest.fixture(scope="module")
def table():
    average = candidate("average", seed=1, parameters=0)
    member = candidate("[red]", seed=2, kind=MEMBER, parameters=0)
    fitted = candidate("genetic", seed=3, nested=[make_run(seed=4)])
    return overfitting([member, average, fitted], average, SETTINGS)


def row(table, model, metric="f1_weighted", fold=POOLED):
    found = table[(table["model"] == model) & (table["metric"] == metric) & (table["fold"] == fold)]
    assert len(found) == 1
    return found.iloc[0]


def test_each_part_is_judged_by_itself(table):
    run = make_run(seed=3)
    for part in ("validation", "test"):
        rows = run.part(part)
        f1 = f1_score(rows.labels, rows.probabilities[:, 1] >= 0.5, average="weighted")
        assert row(table, "genetic")[part] == pytest.approx(f1)
        assert row(table, "genetic", "auc")[part] == pytest.approx(roc_auc_score(rows.labels, rows.probabilities[:, 1]))
        assert row(table, "genetic")[f"{part}_low"] < f1 < row(table, "genetic")[f"{part}_high"]
    held_out = make_run(seed=4).part("validation")
    found = row(table, "genetic")
    assert found["nested"] == pytest.approx(
        f1_score(held_out.labels, held_out.probabilities[:, 1] >= 0.5, average="weighted")
    )
    assert found["gap"] == pytest.approx(found["validation"] - found["test"])
    assert found["optimism"] == pytest.approx(found["validation"] - found["nested"])
    assert (found["validation_images"], found["test_images"], found["test_subjects"]) == (60, 60, 12)


def test_the_difference_is_the_paired_one_on_the_test_images(table):
    expected = paired_difference(
        make_run(seed=3).part("test"), make_run(seed=1).part("test"), ("f1_weighted",), SETTINGS
    )["f1_weighted"]
    found = row(table, "genetic")
    assert (found["difference"], found["difference_low"], found["difference_high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert 0 <= found["mcnemar_p"] <= 1
    assert pd.isna(row(table, "average")["difference"])


def test_folds_are_pooled_and_stand_alone():
    average = candidate("average", folds=2, parameters=0)
    fitted = candidate("genetic", folds=2, seed=3)
    found = overfitting([average, fitted], average, SETTINGS)
    assert list(found["fold"].unique()) == [POOLED, "0", "1"]
    assert row(found, "genetic")["test_images"] == 120
    runs = [run.part("validation") for run in fitted.runs]
    labels = np.concatenate([run.labels for run in runs])
    scores = np.concatenate([run.probabilities[:, 1] for run in runs])
    assert row(found, "genetic", "auc")["validation"] == pytest.approx(roc_auc_score(labels, scores))
    second = fitted.runs[1].part("test")
    assert row(found, "genetic", "auc", "1")["test"] == pytest.approx(
        roc_auc_score(second.labels, second.probabilities[:, 1])
    )
    assert pd.isna(row(found, "genetic")["nested"])


def printed(table, metric="f1_weighted"):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(overfitting_table(table, metric))
    return capture.get()


def test_the_terminal_shows_members_and_how_many_numbers_were_fitted(table):
    text = printed(table)
    assert "[red]" in text
    assert "genetic (3)" in text
    assert "nested" in text
    assert f"{row(table, 'genetic')['difference']:+.3f}" in text
    assert "nested" not in printed(table.assign(nested=np.nan))


def test_the_picture_tells_fitted_figures_from_others(table, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    kept, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k)))
    draw_overfitting(tmp_path / "o.png", table, make_run().about)
    assert min(Image.open(tmp_path / "o.png").size) > 300
    lines = {line.get_label(): line for line in kept[0].axes[0].get_lines()}
    hollow = lines["validation, fitted on these images"].get_xdata()
    assert np.isfinite(hollow).tolist() == [False, False, True]
    other = lines["validation, not fitted on these images"].get_xdata()
    assert other.tolist() == pytest.approx(
        [row(table, "[red]")["validation"], row(table, "average")["validation"], row(table, "genetic")["nested"]]
    )


def test_undefined_figures_leave_gaps_and_no_panel(tmp_path):
    one_class = candidate("average", parameters=0)
    runs = []
    for run in one_class.runs:
        only = run.frame["label"] == "hem"
        runs.append(type(run)(run.frame[only], run.classes, run.positive_class, run.about))
    average = Candidate("average", METHOD, tuple(runs))
    found = overfitting([average], average, SETTINGS)
    assert pd.isna(row(found, "average", "auc")["test"])
    draw_overfitting(tmp_path / "o.png", found, runs[0].about)
    assert "-" in printed(found, "auc")

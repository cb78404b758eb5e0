"""The judgement of a run."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.comparison.paired import compare
from evaluation.core.labelled import score
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.intervals.pooling import pool
from evaluation.metrics.resampled import evaluate
from evaluation.result import EvaluationResult
from evaluation.terminal import difference_table, table
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=50)
PICTURES = {"learning_curves.png", "confusion_matrix.png", "roc.png", "reliability.png", "risk_coverage.png"}
TABLES = {"wrong.csv", "triage.csv", "by_subject.csv", "operating_points.csv"}
HISTORY = pd.DataFrame({"stage": ["head"], "epoch": [0], "train/loss": [0.7], "val/loss": [0.6], "lr": [1e-3]})


def printed(renderable, width=80):
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_a_judgement_survives_json():
    judgement = evaluate_runs([make_run()], SETTINGS)
    assert EvaluationResult.from_dict(json.loads(json.dumps(judgement.to_dict(), allow_nan=False))) == judgement


def test_it_counts_and_measures_each_part():
    run = make_run(images=60, subjects=12)
    run.frame.loc[run.frame["image_id"] == "image_00003", "label"] = None
    judgement = evaluate_runs([run], SETTINGS)
    test, part = judgement.test, score(run.part("test"))
    assert (test.images, test.unlabelled, test.subjects) == (59, 1, 12)
    assert test.class_counts == {"hem": 30, "all": 29}
    assert test.class_subjects == {"hem": 6, "all": 6}
    assert np.sum(test.confusion) == 59
    values = {name: interval.value for name, interval in test.metrics.items()}
    assert values == pytest.approx(evaluate(part))
    chosen = {name: interval.value for name, interval in test.metrics_at_threshold.items()}
    assert chosen == pytest.approx(evaluate(part, judgement.threshold.value))
    assert judgement.validation.images == 60


def test_the_threshold_comes_from_validation_alone():
    first, second = make_run(seed=1), make_run(seed=2)
    mixed = join(first.part("validation"), second.part("test"))
    assert evaluate_runs([mixed], SETTINGS).threshold == evaluate_runs([first], SETTINGS).threshold


def test_more_than_two_classes_are_judged_without_threshold():
    judgement = evaluate_runs([make_run(classes=("a", "b", "c"))], SETTINGS)
    assert judgement.test.metrics_at_threshold is None
    assert judgement.test.confusion_at_threshold is None
    assert "more than two classes" in judgement.threshold.reason
    assert "recall/b" in printed(table(judgement))


def test_warnings_say_what_limits_the_figures():
    few = evaluate_runs([make_run(images=60, subjects=12)], SETTINGS).to_dict()["warnings"]
    assert "test: fewer than 20 subjects in hem (6), all (6): intervals may be too narrow" in few
    unknown = evaluate_runs([make_run(images=60, subjects=None)], SETTINGS).to_dict()["warnings"]
    assert any(line.startswith("test: no subject is known") for line in unknown)
    chance = evaluate_runs([make_run(images=60, subjects=60, skill=0.0)], SETTINGS).to_dict()["warnings"]
    assert any("AUC contains 0.5" in line for line in chance if line.startswith("test"))
    perfect = evaluate_runs([make_run(images=60, subjects=60, skill=50.0)], SETTINGS).to_dict()["warnings"]
    assert any("0 or 1 whoever is left out" in line and "auc" in line for line in perfect)


def test_undefined_resamples_are_said():
    validation = with_scores([0, 1] * 4, [0.2, 0.8] * 4, part="validation")
    test = with_scores([0, 1, 1, 1], [0.2, 0.8, 0.4, 0.9])
    warnings = evaluate_runs([join(validation, test)], SETTINGS).to_dict()["warnings"]
    assert any("undefined on some resamples" in line and "auc (" in line for line in warnings)


def test_an_unlabelled_test_part_is_no_error(tmp_path):
    run = join(make_run().part("validation"), with_scores([None] * 5, [0.5] * 5))
    judgement = write_evaluation(tmp_path, run, HISTORY, SETTINGS)
    assert {interval.value for interval in judgement.test.metrics.values()} == {None}
    assert "test: no labelled image, every metric is undefined" in judgement.to_dict()["warnings"]
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.json", "learning_curves.png"}
    assert "0 test images" in printed(table(judgement))


def test_a_run_without_validation_images_has_no_threshold():
    judgement = evaluate_runs([make_predictions()], SETTINGS)
    assert judgement.threshold.reason == "no validation image of hem and all"
    assert judgement.test.metrics_at_threshold is None
    assert judgement.test.metrics["accuracy"].value is not None


def test_files_are_written(tmp_path):
    judgement = write_evaluation(tmp_path / "run", make_run(), HISTORY, SETTINGS)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"metrics.json", *PICTURES, *TABLES}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == judgement.to_dict()


def test_without_history_there_are_no_learning_curves(tmp_path):
    write_evaluation(tmp_path, make_run(), None, SETTINGS)
    assert not (tmp_path / "learning_curves.png").exists()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_probability_that_is_no_number_is_refused(broken):
    run = make_run()
    run.frame.loc[run.frame.index[-1], "prob_all"] = broken
    with pytest.raises(UserError, match="1 images, image_00059 first, have a probability that is not a number"):
        evaluate_runs([run], SETTINGS)


def test_two_classes_need_a_positive_one():
    run = make_run()
    with pytest.raises(UserError, match="hem and all name no positive class"):
        evaluate_runs([type(run)(run.frame, run.classes, None, run.about)], SETTINGS)


def test_folds_are_judged_together_each_at_its_own_threshold():
    runs = [make_run(fold, images=50, subjects=25) for fold in range(3)]
    judgement = evaluate_runs(runs, SETTINGS)
    assert EvaluationResult.from_dict(json.loads(json.dumps(judgement.to_dict(), allow_nan=False))) == judgement
    single = [evaluate_runs([run], SETTINGS) for run in runs]
    assert judgement.threshold.value == [one.threshold.value for one in single]
    matrices = np.array([one.test.confusion_at_threshold for one in single])
    assert np.array_equal(judgement.test.confusion_at_threshold, matrices.sum(axis=0))
    mean = np.mean([one.test.metrics["auc"].value for one in single])
    assert judgement.fold_means.metrics["auc"].value == pytest.approx(mean)
    assert judgement.test.metrics["auc"].value == pytest.approx(evaluate(score(pool(runs)))["auc"])


def test_the_mean_over_folds_is_undefined_where_a_fold_is():
    one_class = join(make_run(1).part("validation"), with_scores([1, 1], [0.2, 0.9]))
    one_class.frame.loc[one_class.frame["part"] == "test", "image_id"] = ["x", "y"]
    means = evaluate_runs([make_run(0), one_class], SETTINGS).fold_means.metrics
    assert means["auc"].value is None
    assert means["accuracy"].value is not None


def test_the_interval_of_the_fold_mean_comes_from_draws_of_subjects_over_all_folds():
    """Against a plain loop: draw subjects, take each fold's images of them, average the folds' accuracies."""
    runs = [make_run(fold, images=40, subjects=20) for fold in range(3)]
    settings = EvaluationConfig(resamples=2000)
    found = evaluate_runs(runs, settings).fold_means.metrics["accuracy"]
    tests = [run.part("test") for run in runs]
    right = [(test.probabilities.argmax(1) == test.labels).astype(float) for test in tests]
    subjects = [test.frame["subject"].to_numpy() for test in tests]
    everyone = np.unique(np.concatenate(subjects))
    rng, means = np.random.default_rng(1), []
    for _ in range(2000):
        names, counts = np.unique(rng.choice(everyone, len(everyone)), return_counts=True)
        weight = dict(zip(names, counts, strict=True))
        weights = [np.array([weight.get(name, 0) for name in fold]) for fold in subjects]
        means.append(np.mean([np.average(one, weights=w) for one, w in zip(right, weights, strict=True)]))
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_a_class_may_be_called_like_markup():
    predictions = make_run(classes=("[red]e", "b[/x]"))
    console = Console(file=io.StringIO(), width=120)
    console.print(table(evaluate_runs([predictions], SETTINGS)))
    assert "recall/[red]e" in console.file.getvalue()
    assert "precision/b[/x]" in console.file.getvalue()


def test_the_table_fits_a_terminal_and_says_where_it_comes_from():
    text = printed(
        table(evaluate_runs([make_run(0, about={"synthetic": True}), make_run(1, about={"synthetic": True})], SETTINGS))
    )
    assert "tiny · SYNTHETIC images · protocol subject · folds 0, 1 of 3" in text
    assert "120 test images (60 hem, 60 all), 24 subjects; positive: all" in text
    assert "95 % interval" in text
    assert "…" not in text


@pytest.mark.parametrize("folds", [1, 3])
def test_subjects_operating_points_and_subgroups_are_judged_and_shown(folds):
    runs = [make_run(fold, images=60, subjects=20) for fold in range(folds)]
    for run in runs:
        run.frame["group"] = np.tile(["May-Gruenwald", "Wright"], 60)
    judgement = evaluate_runs(runs, SETTINGS)
    assert EvaluationResult.from_dict(json.loads(json.dumps(judgement.to_dict(), allow_nan=False))) == judgement
    assert judgement.by_subject.subjects == 20 * folds
    assert {row.by for row in judgement.subgroups} == ({"fold", "group"} if folds > 1 else {"group"})
    text = printed(table(judgement))
    for words in (
        f"{20 * folds} subjects",
        "by share",
        "wished",
        "0.99",
        "group Wright",
        "ECE in 10 equally wide bins",
    ):
        assert words in text
    assert "…" not in text


def test_the_table_of_a_difference():
    text = printed(difference_table(compare([make_run(0)], [make_run(0, skill=0.5)], SETTINGS)))
    assert "f1_weighted" in text
    assert "McNemar" in text


def test_a_leaky_split_says_so_in_every_result():
    leaks = {"subjects": 19, "identical_pairs": 0, "near_pairs": 2}
    leaky = evaluate_runs([make_run(about={"leaks": leaks})], SETTINGS)
    assert leaky.to_dict()["warnings"][:2] == [
        "leak: subjects in more than one part: 19",
        "leak: pairs of near-same images in more than one part: 2",
    ]
    clean = evaluate_runs([make_run(about={"leaks": dict.fromkeys(leaks, 0)})], SETTINGS)
    assert not any(line.startswith("leak") for line in clean.to_dict()["warnings"])
    more = make_run(fold=1, about={"leaks": {**leaks, "subjects": 21}})
    pooled = evaluate_runs([make_run(about={"leaks": leaks}), more], SETTINGS)
    assert pooled.to_dict()["warnings"][0] == "leak: subjects in more than one part: up to 21 in a fold"


def test_means_over_folds_that_are_undefined_on_some_draws_say_so():
    runs = [make_run(fold, images=12, subjects=4) for fold in range(3)]
    judgement = evaluate_runs(runs, SETTINGS)
    undefined = judgement.fold_means.metrics["auc"].undefined
    assert undefined > 0
    assert any(
        line.startswith("fold mean: ") and f"auc ({undefined})" in line for line in judgement.to_dict()["warnings"]
    )


def test_the_thresholds_of_the_fold_means_are_the_folds_own():
    runs = [make_run(fold, images=50, subjects=25, seed=fold) for fold in range(3)]
    judgement = evaluate_runs(runs, SETTINGS)
    single = [evaluate_runs([run], SETTINGS).test.metrics_at_threshold["sensitivity"].value for run in runs]
    assert judgement.fold_means.metrics_at_threshold["sensitivity"].value == pytest.approx(np.mean(single))
    assert [fold.metrics_at_threshold["sensitivity"] for fold in judgement.folds] == pytest.approx(single)

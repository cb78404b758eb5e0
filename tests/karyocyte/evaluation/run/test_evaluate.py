"""The evaluation of a run, its files and its tables on the terminal."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.run.evaluate import evaluate_runs, write_evaluation
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.terminal import overview, whole
from karyocyte.evaluation.types.result import EvaluationResult, EvaluationWarning, Kind
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores
from tests.helpers.terminal import printed

pytestmark = pytest.mark.usefixtures("blank_figures")
SETTINGS = EvaluationConfig(resamples=50)
HISTORY = pd.DataFrame({"epoch": [0], "train/loss": [0.7], "val/loss": [0.6], "lr": [1e-3]})


def values_of(metrics):
    return {name: interval.value for name, interval in metrics.items()}


def warnings_of(*runs):
    return list(map(str, evaluate_runs(list(runs), SETTINGS).warnings))


def test_it_counts_and_measures_each_part():
    run = make_run(images=60, subjects=12)
    run.frame.loc[run.frame["image_id"] == "image_00003", "label"] = None
    result = evaluate_runs([run], SETTINGS)
    test, part = result.test, score(run.part("test"))
    assert (test.images, test.unlabelled, test.subjects) == (59, 1, 12)
    assert test.class_counts == {"hem": 30, "all": 29}
    assert test.class_subjects == {"hem": 6, "all": 6}
    assert np.sum(test.confusion) == 59
    assert values_of(result.metrics) == pytest.approx(evaluate(part))
    assert values_of(result.of(Kind.AT_THRESHOLD)) == pytest.approx(evaluate(part, result.thresholds[0].value))
    assert result.validation.images == 60


def test_labels_of_the_test_images_change_no_choice():
    run = with_passes(make_run(images=90, skill=0.7))
    swapped = run.frame["label"].map({"hem": "all", "all": "hem"})
    labels = swapped.where(run.frame["part"] == "test", run.frame["label"])
    relabelled = replace(run, frame=run.frame.assign(label=labels))
    before, after = (evaluate_runs([case], SETTINGS) for case in (run, relabelled))
    assert before.thresholds == after.thresholds
    assert before.calibration.temperatures == after.calibration.temperatures
    assert before.referral == after.referral
    for (part, section), metrics in before.figures.items():
        if part == "validation":
            assert after.of(section, part) == metrics
    assert before.of() != after.of()


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (make_run(classes=("a", "b", "c")), "more than two classes: the most probable one is predicted"),
        (make_predictions(), "no validation image of hem and all"),
    ],
)
def test_without_a_threshold_there_are_only_metrics_at_one_half(run, reason):
    result = evaluate_runs([run], SETTINGS)
    assert result.thresholds[0].reason == reason
    assert not result.of(Kind.AT_THRESHOLD)
    assert result.test.confusion_at_threshold is None
    assert result.metrics["accuracy"].value is not None
    assert ("Class by class" in printed(whole(result))) == (len(run.classes) > 2)


@pytest.mark.parametrize(
    ("facts", "warning"),
    [
        ({"subjects": 12}, "test: fewer than 20 subjects in “hem” (6), “all” (6): intervals may be too narrow"),
        ({"subjects": None}, "test: no subject is known: intervals treat images as independent"),
        ({"subjects": 60, "skill": 0.0}, "test: the interval of the AUC contains 0.5"),
    ],
)
def test_warnings_say_what_limits_the_metrics(facts, warning):
    assert any(line.startswith(warning) for line in warnings_of(make_run(images=60, **facts)))


def test_a_leaky_split_is_the_first_warning():
    leaks = {"subjects": 19, "identical_pairs": 0, "near_pairs": 2}
    run = make_run(about={"leaks": leaks})
    said = ["subjects in more than one part: 19", "pairs of near-duplicates in more than one part: 2"]
    assert warnings_of(run)[:2] == [f"leak: {leak}" for leak in said]
    clean = make_run(about={"leaks": dict.fromkeys(leaks, 0)})
    assert not any(line.startswith("leak") for line in warnings_of(clean))
    more = make_run(fold=1, about={"leaks": {**leaks, "subjects": 21}})
    assert warnings_of(run, more)[0] == "leak: subjects in more than one part: up to 21 in a run"


def test_notes_on_another_data_set_are_passed_on_once():
    external = [{"notes": ["no image of class hem", "other magnification"]}, {"notes": ["other magnification"]}]
    noted = [line for line in warnings_of(make_run(about={"external": external})) if line.startswith("another set")]
    assert noted == ["another set: no image of class hem", "another set: other magnification"]


def test_files_are_written_with_learning_curves_where_there_are_logs(tmp_path):
    write_csv(tmp_path / "run" / "logs" / "0-head" / "version_0" / "metrics.csv", HISTORY)
    result = write_evaluation(tmp_path / "run", make_run(), SETTINGS)
    assert (tmp_path / "run" / "learning_curves.png").exists()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == result.to_dict()
    table = pd.read_csv(tmp_path / "run" / "metrics.csv").query("part == 'test' and section == 'metrics'")
    assert table["high"].tolist() == pytest.approx([metric.high for metric in result.metrics.values()], abs=1e-6)
    write_evaluation(tmp_path / "without", make_run(), SETTINGS)
    assert not (tmp_path / "without" / "learning_curves.png").exists()


def test_an_unlabelled_test_part_is_no_error(tmp_path):
    run = join(make_run().part("validation"), with_scores([None] * 5, [0.5] * 5))
    result = write_evaluation(tmp_path, run, SETTINGS)
    assert set(values_of(result.metrics).values()) == {None}
    assert result.calibration is None
    assert "test: no labelled image, every metric is undefined" in warnings_of(run)
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.json", "metrics.csv"}
    assert "0 test images" in printed(whole(result))


def test_a_result_of_another_version_is_refused():
    content = evaluate_runs([make_run()], SETTINGS).to_dict()
    for broken in (content | {"version": "3.1"}, content | {"figures": [{"part": "test"}]}, {}):
        with pytest.raises(UserError, match=r"python scripts/evaluate\.py RUN --output NEW"):
            EvaluationResult.from_dict(broken)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_probability_that_is_no_number_is_refused(broken):
    run = make_run()
    run.frame.loc[run.frame.index[-1], "prob_all"] = broken
    with pytest.raises(UserError, match="1 images, image_00059 first"):
        evaluate_runs([run], SETTINGS)


def test_folds_are_evaluated_together_each_at_its_own_threshold():
    runs = [make_run(fold, images=50, subjects=25, seed=fold) for fold in range(3)]
    result = evaluate_runs(runs, SETTINGS)
    single = [evaluate_runs([run], SETTINGS) for run in runs]
    assert result.thresholds == [of_fold.thresholds[0] for of_fold in single]
    matrices = np.array([of_fold.test.confusion_at_threshold for of_fold in single])
    assert np.array_equal(result.test.confusion_at_threshold, matrices.sum(axis=0))
    mean = np.mean([of_fold.metrics["auc"].value for of_fold in single])
    assert result.of(part="fold mean")["auc"].value == pytest.approx(mean)
    assert result.metrics["auc"].value == pytest.approx(evaluate(score(pool(runs)))["auc"])
    sensitivities = [of_fold.of(Kind.AT_THRESHOLD)["sensitivity"].value for of_fold in single]
    found = [result.of(Kind.AT_THRESHOLD, part)["sensitivity"].value for part in ("fold 0", "fold 1", "fold 2")]
    assert found == pytest.approx(sensitivities)
    assert result.of(Kind.AT_THRESHOLD, "fold mean")["sensitivity"].value == pytest.approx(np.mean(sensitivities))


def test_the_mean_over_folds_is_undefined_where_a_fold_is():
    one_class = join(make_run(1).part("validation"), with_scores([1, 1], [0.2, 0.9]))
    one_class.frame.loc[one_class.frame["part"] == "test", "image_id"] = ["x", "y"]
    means = evaluate_runs([make_run(0), one_class], SETTINGS).of(part="fold mean")
    assert means["auc"].value is None
    assert means["accuracy"].value is not None


def test_the_interval_of_the_fold_mean_comes_from_draws_of_subjects_over_all_folds():
    """Against a plain loop: draw subjects, take each fold's images of them, average the folds' accuracies."""
    runs = [make_run(fold, images=40, subjects=20) for fold in range(3)]
    actual = evaluate_runs(runs, EvaluationConfig(resamples=2000)).of(part="fold mean")["accuracy"]
    tests = [run.part("test") for run in runs]
    right = [(test.probabilities.argmax(1) == test.labels).astype(float) for test in tests]
    everyone = np.unique(np.concatenate([test.frame["subject"] for test in tests]))
    rng, means = np.random.default_rng(1), []
    for _ in range(2000):
        weight = pd.Series(rng.choice(everyone, len(everyone))).value_counts()
        weights = [test.frame["subject"].map(weight).fillna(0) for test in tests]
        means.append(np.mean([np.average(of_fold, weights=w) for of_fold, w in zip(right, weights, strict=True)]))
    assert (actual.low, actual.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.02)


@pytest.mark.parametrize("folds", [1, 3])
def test_every_part_of_a_result_is_shown_and_survives_json(folds):
    about = {"synthetic": True}
    runs = [with_passes(make_run(fold, images=60, subjects=20, about=about)) for fold in range(folds)]
    for run in runs:
        run.frame["group"] = np.tile(["May-Gruenwald", "Wright"], 60)
    result = evaluate_runs(runs, SETTINGS, [make_predictions(60, part="train")] * folds)
    assert EvaluationResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False))) == result
    assert result.of(Kind.SUBJECTS)["subjects"].value == 20 * folds
    assert len(result.sections("group ")) == 2
    text = printed(whole(result))
    numbers = "fold 0 of 3" if folds == 1 else "folds 0, 1, 2 of 3"
    counts = f"{60 * folds} test images ({30 * folds} “hem”, {30 * folds} “all”), {20 * folds} subjects"
    parts = ("by mean", "group Wright", "ECE", "target", "sensitivity")
    for words in (f"SYNTHETIC images · protocol subject · {numbers}", counts, *parts):
        assert words in text
    assert "…" not in text


@pytest.mark.parametrize(("classes", "last"), [(("hem", "all"), "specificity at 0.5"), (tuple("abc"), "AUC")])
def test_an_overview_has_the_first_warnings_and_ends_with_the_sentence_and_three_figures(classes, last):
    result = evaluate_runs([make_run(images=60, subjects=20, classes=classes)], SETTINGS)
    several = [EvaluationWarning(topic, f"of {topic}") for topic in ("leak", "validation", "training", "data", "test")]
    text = printed(overview(replace(result, warnings=several)), width=200)
    assert re.findall(r"^! (.*)", text, re.MULTILINE) == [
        "leak: of leak",
        "training: of training",
        "2 more warnings: in the report",
    ]
    *_, said, _, _, row = text.splitlines()
    name = last.removesuffix(" at 0.5").lower()
    assert said == sentence(replace(result, warnings=several))
    assert re.split(" {2,}", row) == ["", last, str(result.metrics[name])]
    few = printed(overview(replace(result, warnings=several[-2:])), width=200)
    assert re.findall(r"^! .*", few, re.MULTILINE) == ["! data: of data", "! test: of test"]


def test_a_class_may_be_called_like_markup():
    text = printed(whole(evaluate_runs([make_run(classes=("[red]e", "b[/x]"))], SETTINGS)), width=120)
    assert "precision/[red]e" in text
    assert "f1/b[/x]" in text

"""Pictures: what is on them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.plots import plots
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import Interval, Kind
from tests.helpers.predictions import ABOUT, make_predictions, make_run

SETTINGS = EvaluationConfig(resamples=20)
FIVE = ("basophil", "eosinophil", "ig", "lymphocyte", "monocyte")
# val/loss is 0.70, 0.67, 0.54 in the first stage and 0.51, 0.38, 0.35 in the second.
HISTORY = pd.DataFrame(
    {
        "stage": ["head"] * 3 + ["all"] * 3,
        "epoch": range(6),
        "train/loss": np.linspace(0.7, 0.3, 6),
        "val/loss": np.linspace(0.7, 0.3, 6) + [0, 0.05] * 3,
        "val/auc": [np.nan, 0.9, 0.8, 0.6, 0.7, 0.65],
        "lr": [1e-3] * 3 + [1e-5] * 3,
    }
)


def result_about(folder, history, **about):
    """What a figure of curves reads of a result; the logs of its history are in the folder."""
    for number, (stage, rows) in enumerate(history.groupby("stage", sort=False), 1):
        logs = folder / "logs" / f"{number}-{stage}"
        write_csv(logs / "version_0" / "metrics.csv", rows.drop(columns="stage"))
    return SimpleNamespace(about={**ABOUT, **about})


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def points(axis):
    return [tuple(line.get_xydata()[0]) for line in axis.lines if line.get_linestyle() == "None"]


def many_classes(count):
    return make_run(images=240, subjects=None, classes=tuple(f"chr{number}" for number in range(1, count + 1)))


def test_learning_curves(tmp_path, saved_figures):
    plots.learning_curves(tmp_path / "curves.png", result_about(tmp_path, HISTORY, synthetic=True))
    axes = saved_figures[0].axes
    assert [axis.get_ylabel() for axis in axes] == ["loss", "AUC", "learning rate"]
    assert axes[-1].get_yscale() == "log"
    assert {"stage head", "stage all"} <= set(texts(axes[0]))
    assert [(patch.get_x(), patch.get_width()) for patch in axes[0].patches] == [(3.5, 3)]  # the second stage
    assert "SYNTHETIC" in saved_figures[0].get_suptitle()
    epochs = [[line.get_xdata().tolist() for line in axis.lines if "validation" in line.get_label()] for axis in axes]
    assert epochs == [[[1, 2, 3], [4, 5, 6]], [[2, 3], [4, 5, 6]], []]  # a line for each stage


@pytest.mark.parametrize(("monitor", "rows"), [({}, [3, 6]), ({"monitor": "val/auc"}, [2, 5])])
def test_the_best_epoch_of_each_stage_is_marked(tmp_path, saved_figures, monitor, rows):
    plots.learning_curves(tmp_path / "curves.png", result_about(tmp_path, HISTORY, **monitor))
    assert [line.get_xdata()[0] for line in saved_figures[0].axes[0].lines if line.get_label() == plots.BEST] == rows


@pytest.mark.parametrize(("classes", "panels"), [(("hem", "all"), 2), (FIVE, 1)])
def test_confusion_matrix(tmp_path, saved_figures, classes, panels):
    result = evaluate_runs([make_run(images=100, subjects=25, classes=classes)], SETTINGS)
    plots.confusion_matrix(tmp_path / "confusion.png", result)
    first = result.test.confusion[0]
    share = 100 * first[0] / sum(first)
    assert (f"{first[0]}\n{share:.1f} %" if panels == 2 else f"{first[0]}\n{share:.0f}%") in texts(saved_figures[0])
    assert len(saved_figures[0].axes) == panels + 1


def test_the_roc_of_two_classes_marks_both_operating_points_and_has_the_best_rule(tmp_path, saved_figures):
    run = make_run(images=100, subjects=25)
    result, test = evaluate_runs([run], SETTINGS), score(run.part("test"))
    rules = {"size": test, "light": replace(test, probabilities=test.probabilities[:, ::-1])}
    for words, auc in zip(rules, (0.7, 0.8), strict=True):
        result.figures["test", f"{Kind.BASELINE}{words}"] = {"auc": Interval(auc)}
    plots.roc(tmp_path / "roc.png", result, test, rules=rules)
    roc = saved_figures[0].axes[0]
    for number, metrics in enumerate((result.metrics, result.of(Kind.AT_THRESHOLD))):
        sensitivity, specificity = metrics["sensitivity"].value, metrics["specificity"].value
        assert points(roc)[number] == pytest.approx((1 - specificity, sensitivity))
    curve = roc.lines[1].get_xydata()
    auc = result.metrics["auc"]
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(auc.value)
    assert {f"all: AUC {auc}", "rule on light: AUC 0.800"} <= set(texts(roc.get_legend()))
    assert np.trapezoid(*roc.lines[2].get_xydata().T[::-1]) == pytest.approx(1 - auc.value)


@pytest.mark.parametrize("classes", [("hem", "all"), FIVE])
def test_the_roc_of_training_images_is_dashed(tmp_path, saved_figures, classes):
    run = make_run(images=100, subjects=25, classes=classes)
    train = score(make_predictions(200, skill=3.0, classes=classes, part="train"))
    plots.roc(tmp_path / "roc.png", evaluate_runs([run], SETTINGS), score(run.part("test")), train)
    axis = saved_figures[0].axes[0]
    (label,) = [text.get_text() for text in axis.get_legend().get_texts() if "training" in text.get_text()]
    if len(classes) == 2:
        expected = roc_auc_score(train.labels, train.probabilities[:, 1])
    else:
        expected = roc_auc_score(train.labels, train.probabilities, multi_class="ovr")
    assert float(label.split()[-1]) == pytest.approx(expected, abs=2e-3)
    (dashed,) = [line for line in axis.lines[1:] if line.get_linestyle() == "--"]
    assert dashed.get_label() == label


@pytest.mark.parametrize("classes", [("hem", "all"), FIVE])
def test_the_rocs_of_several_experiments_are_in_one_figure(tmp_path, saved_figures, classes):
    evaluated = {}
    for skill in (0.5, 3.0):
        run = make_run(images=100, subjects=25, classes=classes, skill=skill)
        run.about["synthetic"] = (classes, skill) == (FIVE, 3.0)
        evaluated[f"skill {skill}"] = (evaluate_runs([run], SETTINGS), score(run.part("test")))
    plots.rocs(tmp_path / "roc.png", evaluated)
    title = saved_figures[0].get_suptitle()
    assert ("SYNTHETIC" in title) == (classes == FIVE)
    assert len({line.get_linestyle() for line in saved_figures[0].axes[0].lines}) == 2  # told apart in grey
    for line, (result, _) in zip(saved_figures[0].axes[0].lines, evaluated.values(), strict=True):
        auc = result.metrics["auc"].value
        assert [f"{auc:.3f}" in text for text in (title, line.get_label())] == [True, True]
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(auc, abs=2e-3)


@pytest.mark.parametrize("count", [5, 24])
def test_of_many_classes_the_weakest_are_named(tmp_path, saved_figures, count):
    run = many_classes(count)
    plots.roc(tmp_path / "roc.png", evaluate_runs([run], SETTINGS), score(run.part("test")))
    named = [text.get_text() for text in saved_figures[0].axes[0].get_legend().get_texts()]
    assert len(named) == (count if count <= plots.CURVES else plots.WEAKEST + 1)
    assert (named[-1] == "the other classes") == (count > plots.CURVES)

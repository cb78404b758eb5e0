"""Pictures: real PNGs of the expected size, with something on them, and whole or absent."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from common.config.schema import AssignmentConfig, EvaluationConfig
from evaluation.core import plots as figures
from evaluation.core.formats import heading
from evaluation.core.labelled import score
from evaluation.evaluate import evaluate_runs
from tests.evaluation.cytogenetics.cells import make_cells
from tests.helpers.predictions import ABOUT, make_run

SETTINGS = EvaluationConfig(resamples=20)
FIVE = ("basophil", "eosinophil", "ig", "lymphocyte", "monocyte")


def history():
    epochs = 6
    loss = np.linspace(0.7, 0.3, epochs)
    return pd.DataFrame(
        {
            "stage": ["head"] * (epochs // 2) + ["all"] * (epochs - epochs // 2),
            "epoch": np.arange(epochs),
            "train/loss": loss,
            "val/loss": loss + 0.05 * (np.arange(epochs) % 2),
            "val/auc": [np.nan, 0.9, 0.8, 0.6, 0.7, 0.65],
            "lr": np.where(np.arange(epochs) < epochs // 2, 1e-3, 1e-5),
        }
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, so that a test can ask for what stands on them."""
    kept, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k)))
    return kept


def check_picture(path, width, height):
    with Image.open(path) as image:
        assert image.format == "PNG"
        # The margins are cut to what is drawn.
        assert image.width == pytest.approx(width * figures.DPI, rel=0.2)
        assert image.height == pytest.approx(height * figures.DPI, rel=0.2)
        pixels = np.asarray(image.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert (pixels[0] == 255).all()
    assert (pixels[:, -1] == 255).all()


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def test_learning_curves(tmp_path, drawn):
    figures.learning_curves(tmp_path / "curves.png", history(), {**ABOUT, "synthetic": True})
    check_picture(tmp_path / "curves.png", 8.0, 1.3 + 2.0 * 3)
    axes = drawn[0].axes
    assert [axis.get_ylabel() for axis in axes] == ["loss", "AUC", "learning rate"]
    assert axes[-1].get_yscale() == "log"
    assert {"stage head", "stage all"} <= set(texts(axes[0]))
    assert "SYNTHETIC" in drawn[0].get_suptitle()


def test_the_best_epoch_of_each_stage_is_marked(tmp_path, drawn):
    figures.learning_curves(tmp_path / "curves.png", history(), ABOUT)
    marked = [line.get_xdata()[0] for line in drawn[0].axes[0].lines if line.get_label() == figures.BEST]
    # val/loss is 0.70, 0.67, 0.54 in the first stage and 0.51, 0.38, 0.35 in the second.
    assert marked == [3, 6]
    figures.learning_curves(tmp_path / "auc.png", history(), {**ABOUT, "monitor": "val/auc"})
    marked = [line.get_xdata()[0] for line in drawn[1].axes[0].lines if line.get_label() == figures.BEST]
    assert marked == [2, 5]


def test_one_epoch_and_an_unmonitored_quantity_are_drawn_too(tmp_path, drawn):
    short = history().iloc[[0]][["stage", "epoch", "train/loss"]]
    figures.learning_curves(tmp_path / "short.png", short, ABOUT)
    check_picture(tmp_path / "short.png", 8.0, 3.3)
    assert drawn[0].axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize(("classes", "panels"), [(("hem", "all"), 2), (FIVE, 1)])
def test_confusion_matrix(tmp_path, drawn, classes, panels):
    judgement = evaluate_runs([make_run(images=100, subjects=25, classes=classes)], SETTINGS)
    figures.confusion_matrix(tmp_path / "confusion.png", judgement)
    side = max(3.6, 0.56 * len(classes) + 0.8)
    check_picture(tmp_path / "confusion.png", max(6.4, side * panels + 1.4), side + 1.2)
    first = judgement.test.confusion[0]
    share = 100 * first[0] / sum(first)
    assert (f"{first[0]}\n{share:.1f} %" if panels == 2 else f"{first[0]}\n{share:.0f}%") in texts(drawn[0])
    assert len(drawn[0].axes) == panels + 1


def test_roc_of_two_classes_marks_both_operating_points(tmp_path, drawn):
    run = make_run(images=100, subjects=25)
    judgement = evaluate_runs([run], SETTINGS)
    figures.roc(tmp_path / "roc.png", judgement, score(run.part("test")))
    check_picture(tmp_path / "roc.png", 6.2, 5.8)
    axis = drawn[0].axes[0]
    points = [line.get_xydata()[0] for line in axis.lines if line.get_linestyle() == "None"]
    for point, key in zip(points, ("metrics", "metrics_at_threshold"), strict=True):
        metrics = judgement.test[key]
        assert tuple(point) == pytest.approx((1 - metrics["specificity"].value, metrics["sensitivity"].value))
    curve = axis.lines[1].get_xydata()
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(judgement.test.metrics["auc"].value)
    auc = judgement.test.metrics["auc"]
    assert f"all: AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in texts(axis.get_legend())


@pytest.mark.parametrize("count", [5, 24])
def test_roc_of_many_classes_names_the_weakest(tmp_path, drawn, count):
    run = make_run(images=240, subjects=None, classes=tuple(f"chr{number}" for number in range(1, count + 1)))
    figures.roc(tmp_path / "roc.png", evaluate_runs([run], SETTINGS), score(run.part("test")))
    check_picture(tmp_path / "roc.png", 6.2, 5.8)
    named = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert len(named) == (count if count <= figures.CURVES else figures.WEAKEST + 1)


def test_confusion_of_cells_placed_jointly(tmp_path, drawn):
    """24 classes, legible; no error is rounded away."""
    settings = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))
    judgement = evaluate_runs([make_cells(150, skill=4.0)], settings)
    figures.assigned_confusion_matrix(tmp_path / "assigned.png", judgement)
    with Image.open(tmp_path / "assigned.png") as image:
        assert image.width == pytest.approx((0.56 * 24 + 2.2) * figures.DPI, rel=0.2)
    counts = np.array(judgement.assignment.confusion)
    assert counts.tolist() != judgement.test.confusion
    shown = texts(drawn[0].axes[0])
    assert "joint assignment of the chromosomes of a cell" in shown
    wrong = next(one for one in zip(*np.nonzero(counts), strict=True) if one[0] != one[1])
    assert f"{counts[wrong]}\n{100 * counts[wrong] / counts[wrong[0]].sum():.1f}%" in shown
    assert not any(text.endswith("\n0%") for text in shown)
    sizes = [text.get_fontsize() for text in drawn[0].findobj(lambda artist: hasattr(artist, "get_fontsize"))]
    assert min(sizes) >= 9


def test_every_text_is_legible(tmp_path, drawn):
    run = make_run(images=240, subjects=None, classes=tuple(f"chr{number}" for number in range(1, 25)))
    figures.confusion_matrix(tmp_path / "confusion.png", evaluate_runs([run], SETTINGS))
    sizes = [text.get_fontsize() for text in drawn[0].findobj(lambda artist: hasattr(artist, "get_fontsize"))]
    assert min(sizes) >= 9


def test_a_picture_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(AttributeError):
        figures.roc(tmp_path / "roc.png", evaluate_runs([make_run()], SETTINGS), None)
    with pytest.raises(ValueError, match="high"):
        figures.learning_curves(tmp_path / "curves.png", history().assign(lr="high"), ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_the_heading_says_run_data_protocol_and_fold():
    assert heading({**ABOUT, "synthetic": True}) == "tiny · SYNTHETIC images · protocol subject · fold 0 of 3"
    assert heading({**ABOUT, "fold": [0, 2]}) == "tiny · cnmc · protocol subject · folds 0, 2 of 3"
    assert heading({}) == "unnamed run"

"""The drawings of a page, as pictures within it; narrow enough to be read on a phone, and deterministic."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas

from karyocyte.evaluation.metrics.labelled import labelled_part, score
from karyocyte.evaluation.pages.blocks import Figure
from karyocyte.evaluation.plots import plots as figures
from karyocyte.evaluation.plots.plots import STYLE
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.referral import confidence_plots
from karyocyte.evaluation.referral.selective import RiskCoverage, rankings
from karyocyte.evaluation.tables.tables import CLASSES
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import number
from karyocyte.evaluation.types.result import EvaluationResult, Kind, Matrix, Metrics, ReliabilityBin
from karyocyte.workflows.report.sources import Chapter

WIDTH = 5.0  # inches
LETTERS = 18  # of a class beside a matrix


def as_picture(draw: Callable[[Canvas], None], size: tuple[float, float]) -> str:
    """Draw in the usual style and return the SVG as a data URI, the same bytes for the same drawing."""
    style: dict[Any, Any] = {**STYLE, "svg.hashsalt": "karyocyte"}
    with mpl.rc_context(style):
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas)
        file = BytesIO()
        canvas.savefig(file, format="svg", bbox_inches="tight", pad_inches=0.06, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def curve_figures(chapter: Chapter) -> list[Figure]:
    """Draw the learning curves of each run that has some."""
    drawn = []
    for run in chapter.runs:
        history = run.history
        if not len(history):
            continue
        panels = figures.panels_of(history)
        draw = partial(figures.draw_curves, history=history, about=run.predictions.about)
        drawn.append(
            Figure(
                f"Learning curves{chapter.fold_of(run, ', ')}",
                "Where training goes on to improve and validation does not, the model memorises its images.",
                f"{', '.join(panels)} of training and validation over {len(history)} epochs",
                as_picture(draw, (WIDTH, 0.9 + 1.6 * len(panels))),
            )
        )
    return drawn


def confusion_figures(result: EvaluationResult) -> list[Figure]:
    """Draw the confusion matrix; of two classes also at the chosen threshold; and those of installed packages."""
    if not result.test.images:
        return []
    matrices = figures.confusion_matrices(result)
    matrices |= {name.words: counts for name, counts in shown(result).confusions.items()}
    side = max(4.4, 0.5 * len(result.classes) + 0.8)
    drawn = []
    for title, counts in matrices.items():
        drawn.append(
            Figure(
                f"Confusion matrix, {title}",
                "Each line is a true class: how many of its images are predicted as what, and their share. Right "
                "predictions are on the diagonal from top left to bottom right.",
                f"{len(result.classes)} true classes by predicted classes; their figures are in “{CLASSES}”",
                as_picture(partial(_draw_matrix, counts=counts, classes=result.classes), (side, side)),
                wide=len(result.classes) > 8,
            )
        )
    return drawn


def _draw_matrix(canvas: Canvas, counts: Matrix, classes: list[str]) -> None:
    names = [name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…" for name in classes]
    axis = canvas.subplots()
    figures.matrix(axis, np.array(counts), names)
    axis.set_ylabel("true")


def roc_figures(chapter: Chapter) -> list[Figure]:
    """Draw the ROC, where it is defined."""
    result = chapter.result
    auc = result.metrics["auc"]
    if auc.value is None:
        return []
    name = f"“{result.positive_class}”"
    others = ""
    if result.positive_class is None:
        name = "a class's"
        others = " Each class against all others; of many, those that are told apart worst have colours."
    test = score(pool(list(chapter.group.runs)))
    return [
        Figure(
            "ROC curve",
            f"The nearer a curve comes to the top left corner, the better {name} images are told from the "
            f"others. The diagonal is guessing; a dashed curve is of training images, which the model knows.{others}",
            f"Sensitivity against 1 - specificity; AUC {auc}",
            as_picture(lambda canvas: figures.draw_roc(canvas.subplots(), result, test, chapter.train), (WIDTH, WIDTH)),
        )
    ]


def reliability_figures(result: EvaluationResult) -> list[Figure]:
    """Draw the reliability diagram as trained, and after scaling where there is a temperature."""
    if not result.calibration:
        return []
    drawn = []
    for title, side in confidence_plots.sides(result).items():
        drawn.append(
            Figure(
                f"Reliability, {title}",
                "Of the predictions that are 80 % sure, 80 % should be right: bars below the dashed line are too sure "
                "of themselves, bars above it not sure enough.",
                f"Share of right predictions against the stated probability; expected calibration error "
                f"{number(side.metrics['ece'].value)}",
                as_picture(partial(_draw_side, bins=side.bins, classes=len(result.classes)), (WIDTH, 5.2)),
            )
        )
    return drawn


def _draw_side(canvas: Canvas, bins: list[ReliabilityBin], classes: int) -> None:
    upper, lower = canvas.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    confidence_plots.draw_side(upper, lower, bins, classes)
    upper.set_ylabel("share of right predictions")
    upper.legend(loc="upper left")
    lower.set_ylabel("images")


def risk_figures(chapter: Chapter) -> list[Figure]:
    """Draw risk against coverage, where there is triage."""
    areas = chapter.result.sections(Kind.RISK)
    if not areas:
        return []
    ranked = rankings([labelled_part(run.part("test")) for run in chapter.group.runs])
    of_test = {name: each.curve for name, each in ranked.items()}
    first = next(iter(areas.values()))
    area = first["aurc"].value
    return [
        Figure(
            "Risk and coverage",
            "If the least sure images go to a person (to the left), how many of the others are predicted wrong? A "
            "curve that falls far to the left says that the model knows when it does not know. AURC is the area below "
            "it.",
            f"Risk against coverage; area {area:.4f} by probability, {first['wrong'].hits:,} predictions wrong",
            as_picture(partial(_draw_risk, areas=areas, of_test=of_test), (WIDTH, 5.0)),
        )
    ]


def _draw_risk(canvas: Canvas, areas: Mapping[str, Metrics], of_test: Mapping[str, RiskCoverage]) -> None:
    axis = canvas.subplots()
    confidence_plots.draw_risk_coverage(axis, areas, of_test)
    axis.set(xlabel="coverage: decided without a person, the surest first")
    axis.set(ylabel="risk: share of wrong predictions among them")
    canvas.legend(loc="outside lower center", ncols=1)

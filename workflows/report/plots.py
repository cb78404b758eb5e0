"""The drawings of a page, as pictures within it; narrow enough to be read on a phone, and deterministic."""

import base64
import textwrap
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.core import confidence_plots as triage_figures
from evaluation.core import plots as figures
from evaluation.core.formats import temperature_of
from evaluation.core.labelled import cases, score
from evaluation.core.plots import COLOURS, STYLE
from evaluation.intervals.pooling import pool
from evaluation.pages.blocks import Figure, interval, metric_title, per_cent
from evaluation.referral.selective import curves
from evaluation.result import CalibrationMetrics, EvaluationResult, Matrix
from workflows.report.sources import Chapter

WIDTH = 5.0  # inches
MIXED = 3  # so many mix-ups are named where a matrix is too large to be read out
PANELS = ("loss", "acc", "auc", "precision", "recall")  # of paper 001, and the accuracy
LINES = 30  # letters of a line beside a drawing
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


def training_figures(chapter: Chapter) -> list[Figure]:
    """Draw the learning curves and the saved checkpoints of each run that has some."""
    return curve_figures(chapter) + checkpoint_figures(chapter)


def curve_figures(chapter: Chapter) -> list[Figure]:
    """Draw the learning curves of each run that has some."""
    drawn = []
    for run in chapter.runs:
        columns = set(run.history.columns)
        panels = [name for name in PANELS if columns & {f"train/{name}", f"val/{name}"}]
        if not panels:
            continue
        draw = partial(figures.draw_curves, history=run.history, about=run.predictions.about, panels=panels)
        drawn.append(
            Figure(
                f"Learning curves{chapter.fold_of(run, ', ')}",
                "Where training goes on to improve and validation does not, the model memorises its images.",
                f"{', '.join(panels)} of training and validation over {len(run.history)} epochs",
                as_picture(draw, (WIDTH, 0.9 + 1.6 * len(panels))),
            )
        )
    return drawn


def checkpoint_figures(chapter: Chapter) -> list[Figure]:
    """Draw the accuracy of the checkpoints that check and adjust saved, of each run that has some."""
    drawn = []
    for run in chapter.runs:
        saved = run.saved_checkpoints
        if not len(saved):
            continue
        monitor = str(run.predictions.about.get("monitor", "val/acc"))

        def draw(canvas: Canvas, saved: pd.DataFrame = saved, monitor: str = monitor) -> None:
            figures.draw_checkpoints(canvas.subplots(), saved, monitor)

        drawn.append(
            Figure(
                f"Saved checkpoints{chapter.fold_of(run, ', ')}",
                "Weights are saved where the accuracy of a mini-batch has risen, and every few epochs; of the saved "
                "ones the best on validation are chosen.",
                f"Accuracy of the mini-batch and on validation of {len(saved)} saved checkpoints",
                as_picture(draw, (WIDTH, 3.6)),
            )
        )
    return drawn


def confusion_figures(result: EvaluationResult) -> list[Figure]:
    """Draw the confusion matrix; of two classes also at the chosen threshold; of cells also by joint assignment."""
    if not result.test.images:
        return []
    matrices = figures.confusion_matrices(result)
    if result.assignment:
        matrices["joint assignment of the chromosomes of a cell"] = result.assignment.confusion
    names = [name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…" for name in result.classes]
    side = max(4.4, 0.5 * len(names) + 0.8)
    drawn = []
    for title, counts in matrices.items():

        def draw(canvas: Canvas, counts: Matrix = counts) -> None:
            axis = canvas.subplots()
            figures.matrix(axis, np.array(counts), names)
            axis.set_ylabel("true")

        drawn.append(
            Figure(
                f"Confusion matrix, {title}",
                "Each line is a true class: how many of its images are predicted as what, and their share. Right "
                "predictions are on the diagonal from top left to bottom right.",
                _read_out(counts, result.classes),
                as_picture(draw, (side, side)),
                wide=len(names) > 8,
            )
        )
    return drawn


def rank_figures(chapter: Chapter) -> list[Figure]:
    """Draw ROC and precision-recall curves, where they are defined."""
    result = chapter.result
    metrics = result.test.metrics
    if metrics["auc"].value is None:
        return []
    test = score(pool(list(chapter.group.runs)))
    train = chapter.train
    name = f"“{result.positive_class}”"
    predicted = f"images predicted {name} really are"
    others = ""
    if result.positive_class is None:
        name = "a class's"
        predicted = "images predicted as a class really are of it"
        others = " Each class against all others; of many, those that are told apart worst have colours."
    return [
        Figure(
            "ROC curve",
            f"The nearer a curve comes to the top left corner, the better {name} images are told from the "
            f"others. The diagonal is guessing; a dashed curve is of training images, which the model knows.{others}",
            f"Sensitivity against 1 - specificity; AUC {interval(metrics['auc'])}",
            as_picture(lambda canvas: figures.draw_roc(canvas.subplots(), result, test, train), (WIDTH, WIDTH)),
        ),
        Figure(
            "Precision and recall",
            f"Upwards: how many of the {predicted}. To the right: how many of them are found. To find "
            f"more, one takes more false predictions.{others}",
            f"Precision against sensitivity; average precision {interval(metrics['average_precision'])}",
            as_picture(lambda canvas: figures.draw_precision_recall(canvas.subplots(), result, test), (WIDTH, WIDTH)),
        ),
    ]


def reliability_figures(result: EvaluationResult) -> list[Figure]:
    """Draw the reliability diagram as trained, and after scaling where there is a temperature."""
    calibration = result.calibration
    if not calibration:
        return []
    lowest = 0.5 if len(result.classes) == 2 else 0.0
    sides = {"as trained": calibration.before}
    if calibration.after:
        sides[f"after scaling, temperature {temperature_of(calibration.temperature)}"] = calibration.after
    drawn = []
    for title, side in sides.items():

        def draw(canvas: Canvas, side: CalibrationMetrics = side) -> None:
            upper, lower = canvas.subplots(2, 1, height_ratios=(3, 1), sharex=True)
            triage_figures.diagram(upper, side, lowest)
            triage_figures.bin_counts(lower, side)
            upper.set_ylabel("share of right predictions")
            upper.legend(loc="upper left")
            lower.set(xlabel="probability of the predicted class", ylabel="images", xlim=(lowest - 0.01, 1.01))

        drawn.append(
            Figure(
                f"Reliability, {title}",
                "Of the predictions that are 80 % sure, 80 % should be right: bars below the dashed line are too sure "
                "of themselves, bars above it not sure enough.",
                f"Share of right predictions against the stated probability; expected calibration error {side.ece:.3f}",
                as_picture(draw, (WIDTH, 5.2)),
            )
        )
    return drawn


def risk_figures(chapter: Chapter) -> list[Figure]:
    """Draw risk against coverage, where there is triage."""
    triage = chapter.result.triage
    if not triage:
        return []
    curves_of_test = curves([cases(run.part("test")) for run in chapter.group.runs])

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        triage_figures.draw_risk_coverage(axis, triage, curves_of_test)
        axis.set(xlabel="coverage: decided without a person, the surest first")
        axis.set(ylabel="risk: share of wrong predictions among them")
        canvas.legend(loc="outside lower center", ncols=1)

    first = next(iter(triage.risk_coverage.values()))
    return [
        Figure(
            "Risk and coverage",
            "If the least sure images go to a person (to the left), how many of the others are predicted wrong? A "
            "curve that falls far to the left says that the model knows when it does not know. AURC is the area below "
            "it.",
            f"Risk against coverage; area {first.aurc:.4f} by probability, {first.wrong:,} predictions wrong",
            as_picture(draw, (WIDTH, 5.0)),
        )
    ]


def forest_figure(chapters: list[Chapter], metric: str) -> list[Figure]:
    """Draw one metric of all chapters with its intervals, the best on top; nothing where it is undefined for all."""
    measured = {chapter.label: chapter.result.test.metrics[metric] for chapter in chapters}
    values = pd.Series({label: each.value for label, each in measured.items()}, dtype=float)
    values = values.dropna().sort_values(kind="stable")
    if values.empty:
        return []
    title = metric_title(metric)
    names = [textwrap.fill(label, LINES) for label in values.index]
    # A name of many lines takes their room.
    rooms = np.array([1.2 + 0.8 * name.count("\n") for name in names])
    places = rooms.cumsum() - rooms / 2

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        for place, (label, value) in zip(places, values.items(), strict=True):
            ends = measured[str(label)]
            if ends.low is not None and ends.high is not None:
                axis.plot([ends.low, ends.high], [place, place], color=COLOURS[0])
            axis.plot(value, place, "o", color=COLOURS[0])
        axis.set_yticks(places, names)
        axis.set(xlabel=title, ylim=(0, rooms.sum()))

    lowest = str(values.index[0])
    highest = str(values.index[-1])
    read_out = f"{highest} is highest, {interval(measured[highest])}; {lowest} is lowest, {interval(measured[lowest])}"
    heading = f"{title} of all experiments"
    return [
        Figure(
            heading.capitalize() if title.islower() else heading,
            "Dots are what was measured, lines the range of each.",
            f"{title}: {read_out}",
            as_picture(draw, (WIDTH, 0.7 + 0.3 * float(rooms.sum()))),
        )
    ]


def rocs_figure(chapters: list[Chapter]) -> list[Figure]:
    """Draw the ROCs of all chapters whose AUC is defined; nothing where there is none."""
    curves = []
    for chapter in chapters:
        if chapter.result.test.metrics["auc"].value is not None:
            test = score(pool(list(chapter.group.runs)))
            curves.append(figures.RocCurve(chapter.label, chapter.result, test, chapter.train))
    if not curves:
        return []
    best = max(curves, key=lambda curve: curve.result.test.metrics["auc"].value or 0)
    return [
        Figure(
            "ROC curves of all experiments",
            "The nearer a curve comes to the top left corner, the better. The diagonal is guessing; dashed curves are "
            "of training images, which the models know.",
            f"Sensitivity against 1 - specificity; {best.label} has the largest area, "
            f"{interval(best.result.test.metrics['auc'])}",
            as_picture(lambda canvas: figures.draw_rocs(canvas.subplots(), curves), (WIDTH, WIDTH)),
        )
    ]


def misses_figure(counts: pd.DataFrame) -> Figure:
    """Draw how many images are missed by exactly k models."""

    def draw(canvas: Canvas) -> None:
        axis = canvas.subplots()
        bars = axis.bar(counts["k"], counts["share"], color=COLOURS[0])
        axis.bar_label(bars, [f"{images:,}" for images in counts["images"]])
        share = counts["independent"] / counts["images"].sum()
        axis.plot(counts["k"], share, "D", color=COLOURS[1], label="if they erred independently")
        axis.legend()
        axis.set(xlabel="missed by so many models", ylabel="share of the test images")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.yaxis.set_major_formatter(PercentFormatter(1))

    last = counts.iloc[-1]
    return Figure(
        "Missed together",
        "A high last bar means that the models share their errors: the same images are hard for all. The orange marks "
        "show what would be seen if their errors had nothing to do with one another.",
        f"{int(last['images']):,} images ({per_cent(last['share'])}) are missed by all {int(last['k'])} models",
        as_picture(draw, (WIDTH, 3.6)),
    )


def _read_out(counts: Matrix, classes: list[str]) -> str:
    """Say what a confusion matrix shows: all of it, or the most frequent mix-ups of many classes."""
    if len(classes) == 2:
        lines = []
        for name, (first, second) in zip(classes, counts, strict=True):
            predicted = f"{first:,} are predicted {classes[0]} and {second:,} are predicted {classes[1]}"
            lines.append(f"of {first + second:,} {name}, {predicted}")
        return "; ".join(lines)
    wrong = np.array(counts)
    np.fill_diagonal(wrong, 0)
    mixed = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:MIXED].tolist():
        row, column = divmod(place, len(classes))
        if wrong[row, column]:
            mixed.append(f"{classes[row]} for {classes[column]} ({wrong[row, column]:,})")
    return f"{len(classes)} classes; most often taken: {', '.join(mixed) or 'none for another'}"

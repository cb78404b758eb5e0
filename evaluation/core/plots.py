"""Pictures of a run. Each is saved whole or not at all; its title says run, data, protocol and fold."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from common.files import atomic_path
from evaluation.core.formats import heading
from evaluation.core.labelled import LabelledPredictions
from evaluation.metrics.classification import lower_is_better
from evaluation.result import EvaluationResult, Matrix

DPI = 150
# Okabe and Ito's palette, told apart by colour-blind readers too (jfly.uni-koeln.de/color).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
    # A class may be called anything: two dollar signs make no formula of it.
    "text.parse_math": False,
}
# Up to here each class has a colour of its own in the ROC; beyond, the weakest ones alone stand out of the gray.
CURVES = len(COLOURS)
WEAKEST = 5
LETTERS = 46  # of a line of the legend of several experiments
BEST = "best epoch of the stage"
# The order of the learning curves; up to FEW_PANELS are below one another, more in two columns.
PANELS = ("loss", "acc", "auc", "precision", "recall", "f1_weighted")
FEW_PANELS = 3
NAMES = {"acc": "accuracy", "auc": "AUC", "f1": "F1", "f1_weighted": "weighted F1", "lr": "learning rate"}


def learning_curves(path: Path, history: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw each logged quantity over the epochs, stage after stage, and mark the best epoch of each stage.

    Args:
        path: PNG to write.
        history: One row per epoch in the order of training: ``stage``, ``epoch``, columns ``train/<x>`` and ``val/<x>``
            (either may be absent, cells may be NaN), ``lr``.
        about: Facts of the run; ``monitor`` names the column that says what is best (``val/loss`` where absent).
    """
    panels = panels_of(history)
    columns = 1 + (len(panels) > FEW_PANELS)
    rows = -(-len(panels) // columns)
    with canvas(path, (4.0 + 4.0 * columns, 1.3 + 2.0 * rows), about) as figure:
        draw_curves(figure, history, about, panels, columns)


def panels_of(history: pd.DataFrame) -> list[str]:
    """Return what is drawn of a history, a panel each: the logged metrics in the order of ``PANELS``, others, rate."""
    logged = dict.fromkeys(c.split("/", 1)[1] for c in history.columns if c.startswith(("train/", "val/")))
    known = [name for name in PANELS if name in logged]
    others = [name for name in logged if name not in PANELS]
    return [*known, *others, *(["lr"] if "lr" in history else [])]


def draw_curves(
    figure: Figure, history: pd.DataFrame, about: dict[str, Any], panels: list[str], columns: int = 1
) -> None:
    """Draw ``learning_curves`` on an empty figure: ``panels`` such as ``loss`` (both parts) and ``lr``, row by row."""
    stages = _stages(history)
    best = _best_rows(history, stages, about.get("monitor", "val/loss"))
    grid = figure.subplots(-(-len(panels) // columns), columns, sharex=True, squeeze=False)
    axes = grid.ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    axes = axes[: len(panels)]
    for axis, name in zip(axes, panels, strict=True):
        _curves(axis, history, stages, name)
        for start, end, _ in stages[1::2]:
            axis.axvspan(start + 0.5, end + 0.5, color=COLOURS[0], alpha=0.07, zorder=0, linewidth=0)
        for start, _, _ in stages[1:]:
            axis.axvline(start + 0.5, color="#888888", linewidth=1)
        for row in best:
            axis.axvline(row + 1, color="#444444", linewidth=1.2, linestyle=":", zorder=1, label=BEST)
    for axis in axes[:columns]:
        _name_stages(axis, stages, int(90 / columns))
    for axis in axes[-columns:]:
        axis.tick_params(labelbottom=True)
    for axis in grid[-1]:
        axis.set_xlabel("epoch")
    axes[0].set_xlim(0.5, len(history) + 0.5)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = {label: line for line, label in zip(*axes[0].get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles) or 1)


def _name_stages(axis: Axes, stages: list[tuple[int, int, str]], letters: int) -> None:
    """Write the name of each stage above its epochs, cut to the room it has of ``letters`` over all epochs."""
    epochs = stages[-1][1]
    for start, end, stage in stages:
        room = max(3, int(letters * (end - start) / epochs))
        title = textwrap.shorten(f"stage {stage}", room, placeholder="…") if room > 8 else stage[:room]
        place = ((start + end + 1) / 2, 1.02)
        axis.annotate(title, place, xycoords=("data", "axes fraction"), ha="center", va="bottom")


def _stages(history: pd.DataFrame) -> list[tuple[int, int, str]]:
    """Return first row, row after the last, and name of each stage."""
    names = history["stage"].astype(str)
    starts = np.flatnonzero(names != names.shift()).tolist()
    return list(zip(starts, [*starts[1:], len(history)], names.iloc[starts], strict=True))


def _best_rows(history: pd.DataFrame, stages: list[tuple[int, int, str]], monitor: str) -> list[int]:
    """Return the row of each stage's best epoch; none where the monitored column is absent."""
    if monitor not in history:
        return []
    values = history[monitor].reset_index(drop=True)
    if lower_is_better(monitor):
        values = -values
    of_stages = [values.iloc[start:end].dropna() for start, end, _ in stages]
    return [int(of_stage.idxmax()) for of_stage in of_stages if len(of_stage)]


def _curves(axis: Axes, history: pd.DataFrame, stages: list[tuple[int, int, str]], name: str) -> None:
    columns = {f"train/{name}": ("training", COLOURS[0]), f"val/{name}": ("validation", COLOURS[1])}
    if name == "lr":
        columns = {"lr": (NAMES["lr"], "#555555")}
    columns = {column: style for column, style in columns.items() if column in history}
    marker = "o" if len(history) <= 30 else None
    for column, (label, colour) in columns.items():
        values = history[column].to_numpy(np.float64)
        # A stage starts again from the best epoch of the one before: no line leads from one to the other.
        for start, end, _ in stages:
            rows = start + np.flatnonzero(np.isfinite(values[start:end]))
            axis.plot(rows + 1, values[rows], color=colour, label=label, marker=marker, markersize=4)
    axis.set_ylabel(NAMES.get(name, name))
    # A rate falls by powers of ten, and one bad epoch's loss would flatten all others.
    drawn = history[list(columns)].to_numpy(np.float64)
    if name in ("lr", "loss") and drawn.size and np.nanmax(drawn) > 5 * np.nanmin(drawn) > 0:
        axis.set_yscale("log")
        if name == "loss":  # 0.5 and 2, not 5 x 10^-1
            axis.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")


def checkpoints(path: Path, saved: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw the accuracy of the checkpoints that check and adjust saved (paper 002, figure 3), see ``draw_checkpoints``.

    Args:
        path: PNG to write.
        saved: At least one row; see ``Run.saved_checkpoints``.
        about: Facts of the run; ``monitor`` names the column of the validation metric.
    """
    with canvas(path, (7.0, 4.4), about) as figure:
        draw_checkpoints(figure.subplots(), saved, about.get("monitor", "val/acc"))


def draw_checkpoints(axis: Axes, saved: pd.DataFrame, monitor: str) -> None:
    """Draw the accuracy of the mini-batch and the validation metric of each saved checkpoint, one after another."""
    numbers = np.arange(1, len(saved) + 1)
    axis.plot(numbers, saved["accuracy"], color=COLOURS[0], marker="o", label="training: accuracy of the mini-batch")
    if monitor in saved and saved[monitor].notna().any():
        name = monitor.split("/")[-1]
        axis.plot(
            numbers,
            saved[monitor],
            color=COLOURS[1],
            marker="o",
            label=f"validation: {NAMES.get(name, name)}, all images",
        )
        for stage in saved["stage"].unique():
            values = saved.loc[saved["stage"] == stage, monitor].dropna()
            if lower_is_better(monitor):
                values = -values
            if len(values):
                best = saved.index.get_loc(values.idxmax()) + 1
                axis.axvline(best, color="#444444", linewidth=1.2, linestyle=":", zorder=1, label="chosen")
    axis.set_xticks(numbers[:: -(-len(numbers) // 20)])
    steps = [f"{step:,}" for step in saved["step"].iloc[:: -(-len(numbers) // 20)]]
    axis.set_xticklabels(steps, rotation=45 if len(steps) > 8 else 0)
    axis.set(xlabel="saved after so many steps", ylabel="accuracy" if monitor == "val/acc" else "")
    handles = {label: line for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    axis.legend(handles.values(), handles.keys())


def confusion_matrix(path: Path, result: EvaluationResult) -> None:
    """Draw the test confusion matrix: counts and per cent of the row; two classes also at the chosen threshold."""
    _matrices(path, result, confusion_matrices(result))


def confusion_matrices(result: EvaluationResult) -> dict[str, Matrix]:
    """Return the confusion matrices of the test images by title; those of two classes also at the chosen threshold."""
    test = result.test
    matrices = {"most probable class" if result.positive_class is None else "at 0.5": test.confusion}
    if test.confusion_at_threshold is not None:
        matrices[f"at {threshold_of(result)}, chosen on validation"] = test.confusion_at_threshold
    return matrices


def assigned_confusion_matrix(path: Path, result: EvaluationResult) -> None:
    """Draw the test part's confusion matrix of the joint assignment, see ``confusion_matrix``."""
    assert result.assignment is not None
    _matrices(path, result, {"joint assignment of the chromosomes of a cell": result.assignment.confusion})


def _matrices(path: Path, result: EvaluationResult, matrices: dict[str, Matrix]) -> None:
    classes = result.classes
    side = max(3.6, 0.56 * len(classes) + 0.8)
    size = (max(6.4, side * len(matrices) + 1.4), side + 1.2)
    with canvas(path, size, result.about, layout="compressed") as figure:
        axes = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axis, (title, counts) in zip(axes, matrices.items(), strict=True):
            image = matrix(axis, np.array(counts), classes)
            axis.set_title(title)
        axes[0].set_ylabel("true")
        figure.colorbar(image, ax=axes, label="share of the true class", pad=0.02, aspect=30)


def matrix(axis: Axes, counts: np.ndarray, classes: list[str]) -> mpl.image.AxesImage:
    """Draw a confusion matrix of counts, shape (K, K), rows the truth, on given axes."""
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    few = len(classes) <= 4
    for row, column in np.ndindex(counts.shape):
        if few or counts[row, column]:
            per_cent = f"{100 * share[row, column]:.1f} %" if few else _short_per_cent(share[row, column])
            text = f"{counts[row, column]:,}\n{per_cent}" if totals[row] else "0"
            colour = "white" if share[row, column] > 0.55 else "black"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=12 if few else 9)
    ticks = range(len(classes))
    axis.set_xticks(ticks, classes)
    if max(map(len, classes)) > 6:
        axis.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, classes)
    axis.set_xlabel("predicted")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return image


def _short_per_cent(share: float) -> str:
    """Round to whole per cents, but never an error to 0% or a class with errors to 100%."""
    rounded = round(100 * share)
    if rounded not in (0, 100) or share in (0, 1):
        return f"{rounded}%"
    return f"{100 * share:.1f}%"


def roc(
    path: Path, result: EvaluationResult, test: LabelledPredictions, train: LabelledPredictions | None = None
) -> None:
    """Draw the test ROC, see ``draw_roc``."""
    with canvas(path, (6.2, 5.8), result.about) as figure:
        draw_roc(figure.subplots(), result, test, train)


def draw_roc(
    axis: Axes, result: EvaluationResult, test: LabelledPredictions, train: LabelledPredictions | None = None
) -> None:
    """Draw the ROC with its AUC (defined) and operating points; of more than two classes each against the rest.

    The curve of training images is dashed, of more than two classes the mean of theirs.
    """
    auc = result.test.metrics["auc"]
    _guessing(axis)
    if test.positive_index is None:
        _each_class(axis, test.classes, test.labels, test.probabilities.T, roc_auc_score, _rates)
        axis.set_title(f"mean AUC, each class against the rest: {auc}")
    else:
        rates = _rates(test.labels == test.positive_index, test.probabilities[:, test.positive_index])
        axis.plot(*rates, color=COLOURS[0], label=f"{result.positive_class}: AUC {auc}")
    if train is not None:
        _training_roc(axis, train, COLOURS[0], "training images: AUC")
    if test.positive_index is not None:
        _points(axis, result, lambda values: (1 - values["specificity"], values["sensitivity"]))
    _finish_roc(axis)


@dataclass(frozen=True)
class RocCurve:
    """What a ROC of several experiments shows of one: its short name, result, test images and any training images."""

    label: str
    result: EvaluationResult
    test: LabelledPredictions
    train: LabelledPredictions | None = None


def draw_rocs(axis: Axes, curves: Sequence[RocCurve]) -> None:
    """Draw a test ROC of each experiment with its AUC, which must be defined, and a dashed one of its training images.

    Of more than two classes it is the mean of the classes' curves, each against the rest.
    """
    _guessing(axis)
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        line = "-" if number < len(COLOURS) else "-."
        # The interval is on one line.
        auc = f"AUC {curve.result.test.metrics['auc']}".replace(" ", "\N{NO-BREAK SPACE}")
        label = textwrap.fill(f"{curve.label}: {auc}", LETTERS)
        axis.plot(*_mean_rates(curve.test), color=colour, label=label, linestyle=line)
        if curve.train is not None:
            _training_roc(axis, curve.train, colour)
    if any(curve.train is not None for curve in curves):
        axis.plot([], [], color="#555555", linewidth=1.1, linestyle="--", label="dashed: training images")
    _finish_roc(axis)


def _guessing(axis: Axes) -> None:
    axis.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1, linestyle="--")


def _finish_roc(axis: Axes) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set(xlabel="1 - specificity", ylabel="sensitivity")
    axis.legend(loc="lower right")


def _training_roc(axis: Axes, train: LabelledPredictions, colour: str, name: str | None = None) -> None:
    """Draw the ROC of training images, where they are of every class, with the AUC after the name."""
    if min(train.count_images().values()) == 0:
        return
    false_rate, true_rate = _mean_rates(train)
    label = None if name is None else f"{name} {np.trapezoid(true_rate, false_rate):.3f}"
    axis.plot(false_rate, true_rate, color=colour, linewidth=1.1, linestyle="--", label=label)


def _mean_rates(scored: LabelledPredictions) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates; of more than two classes the mean true rate at 2,001 false rates."""
    if scored.positive_index is not None:
        return _rates(scored.labels == scored.positive_index, scored.probabilities[:, scored.positive_index])
    grid = np.linspace(0, 1, 2001)
    true_rates = [
        np.interp(grid, *_rates(scored.labels == index, scored.probabilities[:, index]))
        for index in range(len(scored.classes))
    ]
    return np.append(0.0, grid), np.append(0.0, np.mean(true_rates, axis=0))


def draw_precision_recall(axis: Axes, result: EvaluationResult, test: LabelledPredictions) -> None:
    """Draw precision against sensitivity, like ``draw_roc``; the average precision must be defined."""
    average_precision = result.test.metrics["average_precision"]
    if test.positive_index is None:
        _each_class(axis, test.classes, test.labels, test.probabilities.T, average_precision_score, _precisions)
        axis.set_title(f"mean average precision: {average_precision}")
    else:
        share = (test.labels == test.positive_index).mean()
        axis.axhline(share, color="#777777", linewidth=1, linestyle="--", label=f"by guessing: {share:.3f}")
        precisions = _precisions(test.labels == test.positive_index, test.probabilities[:, test.positive_index])
        axis.plot(*precisions, color=COLOURS[0], label=f"average precision {average_precision}")
        precision = f"precision/{result.positive_class}"
        _points(axis, result, lambda values: (values["sensitivity"], values[precision]))
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set(xlabel="sensitivity (recall)", ylabel="precision (positive predictive value)")
    axis.legend(loc="lower left")


def _points(axis: Axes, result: EvaluationResult, place: Callable[[dict[str, float]], tuple[float, float]]) -> None:
    """Mark the operating points; ``place`` turns the values of metrics into x and y. An undefined one is left out."""
    points = {"at 0.5": result.test.metrics}
    if result.test.metrics_at_threshold is not None:
        points[f"at {threshold_of(result)}, chosen on validation"] = result.test.metrics_at_threshold
    # A ring and a diamond: both are seen where they meet.
    marks: tuple[dict[str, Any], dict[str, Any]] = (
        {"marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgewidth": 2.2, "color": COLOURS[1]},
        {"marker": "D", "markersize": 7, "color": COLOURS[2]},
    )
    for (label, metrics), mark in zip(points.items(), marks, strict=False):
        # nan where undefined: such a point is not drawn.
        values = {name: np.nan if metric.value is None else metric.value for name, metric in metrics.items()}
        axis.plot(*place(values), linestyle="none", label=label, **mark)


def _each_class(
    axis: Axes,
    classes: Sequence[str],
    labels: np.ndarray,
    scores: np.ndarray,
    area: Callable[[np.ndarray, np.ndarray], float],
    curve: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> None:
    """Draw a curve per class, the one with the least area first; of many classes only the weakest in colour."""
    areas = [area(labels == index, of_class) for index, of_class in enumerate(scores)]
    for rank, index in enumerate(np.argsort(areas)):
        if len(areas) > CURVES and rank >= WEAKEST:
            label = "the other classes" if rank == WEAKEST else None
            axis.plot(*curve(labels == index, scores[index]), color="#C4C4C4", linewidth=1, zorder=1.5, label=label)
        else:
            label = f"{classes[index]}: {areas[index]:.3f}"
            axis.plot(*curve(labels == index, scores[index]), color=COLOURS[rank], label=label)


def _rates(is_class: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    false_rate, true_rate, _ = roc_curve(is_class, scores)
    return false_rate, true_rate


def _precisions(is_class: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    precision, recall, _ = precision_recall_curve(is_class, scores)
    return recall, precision


def threshold_of(result: EvaluationResult) -> str:
    """Write the threshold that validation chose."""
    value = result.threshold.value
    return "own thresholds" if isinstance(value, list) else f"{value:.3f}"


@contextmanager
def canvas(
    path: Path, size: tuple[float, float], about: dict[str, Any], layout: str = "constrained", dpi: int = DPI
) -> Iterator[Figure]:
    """Yield a figure in the common style, titled; save it when the block ends well."""
    with atomic_path(path) as temporary, mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout=layout)  # type: ignore[arg-type]  # it may be "none", too
        # Lines break between facts, never within one: 9 bold letters of 12 pt to the inch.
        parts = [part.replace(" ", "\N{NO-BREAK SPACE}") for part in heading(about).split(" · ")]
        title = textwrap.fill("\N{NO-BREAK SPACE}· ".join(parts), width=int(size[0] * 9), break_long_words=False)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        yield figure
        figure.savefig(temporary, dpi=dpi, bbox_inches="tight", pad_inches=0.15)

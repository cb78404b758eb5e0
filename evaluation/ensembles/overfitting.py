"""How far the weights of an ensemble generalise beyond the images that they were fitted on.

A search for the highest validation metric finds it, by skill or by chance. Images that it never saw tell the two apart:
inner folds of the validation images (``nested``), and the test images. The members show how far validation and test
differ in any case; on validation they chose no more than their epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from rich.table import Table
from rich.text import Text

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.comparison.paired import mcnemar, paired, paired_difference
from evaluation.core.formats import ends
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.core.plots import COLOURS, canvas
from evaluation.ensembles.methods import Combiner
from evaluation.intervals.bootstrap import intervals
from evaluation.intervals.pooling import pool
from evaluation.result import Estimate
from evaluation.terminal import frame_table

METRICS = ("f1_weighted", "auc")
MEMBER = "member"
METHOD = "method"
POOLED = "all"
METRIC_LABELS = {"f1_weighted": "weighted F1", "auc": "AUC"}
# Column -> label, offset from the row's middle, and style: metrics on images of the fit are hollow.
MARKS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "validation": ("validation, fitted on these images", -0.24, {"color": COLOURS[1], "markerfacecolor": "white"}),
    "nested": ("validation, not fitted on these images", 0.0, {"color": COLOURS[2], "marker": "D", "markersize": 5.5}),
    "test": ("test", 0.24, {"color": COLOURS[0]}),
}


@dataclass(frozen=True)
class Candidate:
    """A member, or an ensemble of all members by one method (``kind``: MEMBER or METHOD), with the rows of each fold.

    ``nested`` holds validation rows predicted by combiners that were fitted on the others, or, where nothing is fitted,
    the validation rows; None without nested cross-validation. A member has no ``combiners``.
    """

    label: str
    kind: str
    runs: tuple[Predictions, ...]
    nested: tuple[Predictions, ...] | None = None
    combiners: tuple[Combiner, ...] = ()

    @property
    def parameters(self) -> int:
        """How many free numbers were fitted on validation images."""
        return max((combiner.parameters for combiner in self.combiners), default=0)

    def fold(self, place: int) -> "Candidate":
        """Return the candidate with the rows of one fold alone; ``parameters`` stays the largest of all folds."""
        nested = None if self.nested is None else (self.nested[place],)
        return replace(self, runs=(self.runs[place],), nested=nested)


def overfitting(candidates: Sequence[Candidate], reference: Candidate, settings: EvaluationConfig) -> pd.DataFrame:
    """Measure each candidate on validation (where it was fitted), on held-out validation images, and on test.

    All are of the same folds and images; ``reference`` is the baseline on the test images, such as the average.

    Returns:
        A row per candidate, fold (POOLED first; single folds where there are several) and metric of METRICS:
        ``model``, ``kind``, ``parameters``, ``fold``, ``metric``; ``validation``, ``nested``, ``test`` and
        ``difference`` (on test, minus the reference's), each with its ``_low`` and ``_high``; ``gap`` (validation minus
        test), ``optimism`` (validation minus nested, of the same images), ``mcnemar_p`` (predictions on test against
        the reference's), ``validation_images``, ``validation_subjects``, ``test_images`` and ``test_subjects``.
    """
    rows = []
    for candidate in candidates:
        rows += _measure(candidate, reference, POOLED, settings)
    if len(reference.runs) > 1:
        for place, run in enumerate(reference.runs):
            for candidate in candidates:
                rows += _measure(candidate.fold(place), reference.fold(place), str(run.about.get("fold")), settings)
    table = pd.DataFrame(rows)
    measured = table[["validation", "nested", "test"]].astype(float)
    place = table.columns.get_loc("mcnemar_p")
    table.insert(place, "gap", measured["validation"] - measured["test"])
    table.insert(place + 1, "optimism", measured["validation"] - measured["nested"])
    return table


def _measure(candidate: Candidate, reference: Candidate, fold: str, settings: EvaluationConfig) -> list[dict[str, Any]]:
    """Return a row per metric."""
    validation = _score_validation(candidate.runs)
    tested = pool(list(candidate.runs))
    test = score(tested)
    nested = {}
    difference = {}
    p_value = None
    if candidate.nested is not None:
        nested = intervals(_score_validation(candidate.nested), settings)
    if candidate.label != reference.label:
        baseline = pool(list(reference.runs))
        difference = paired_difference(tested, baseline, METRICS, settings)
        p_value = mcnemar(*paired(tested, baseline)).p_value
    parts = {"validation": intervals(validation, settings), "nested": nested, "test": intervals(test, settings)}
    rows = []
    for metric in METRICS:
        row: dict[str, Any] = {"model": candidate.label, "kind": candidate.kind, "parameters": candidate.parameters}
        row |= {"fold": fold, "metric": metric}
        for name, of_part in {**parts, "difference": difference}.items():
            row |= of_part.get(metric, Estimate(None, None, None)).columns(name)
        row["mcnemar_p"] = p_value
        row |= {"validation_images": len(validation.labels), "validation_subjects": validation.subjects}
        row |= {"test_images": len(test.labels), "test_subjects": test.subjects}
        rows.append(row)
    return rows


def _score_validation(runs: Sequence[Predictions]) -> LabelledPredictions:
    """Validation images of all folds; one that two folds have, predicted by another model in each, is there twice."""
    frame = pd.concat([run.part("validation").frame for run in runs], ignore_index=True)
    return score(replace(runs[0], frame=frame))


def overfitting_table(table: pd.DataFrame, metric: str) -> Table:
    """Return the pooled rows of one metric for the terminal, members first; the numbers fitted are in brackets."""
    rows = table[(table["fold"] == POOLED) & (table["metric"] == metric)]
    fitted = " (" + rows["parameters"].astype(str) + ")"
    is_member = rows["kind"] == MEMBER
    frame = pd.DataFrame({METRIC_LABELS[metric]: rows["model"].where(is_member, rows["model"] + fitted)})
    frame["validation"] = rows["validation"]
    if rows.loc[rows["parameters"] > 0, "nested"].notna().any():
        frame["nested"] = rows["nested"]
    frame["test"] = rows["test"]
    frame["interval"] = [ends(low, high) for low, high in zip(rows["test_low"], rows["test_high"], strict=True)]
    frame["gain"] = rows["difference"]
    result = frame_table(frame, signed=["gain"])
    result.caption = Text("gain: over the average, on test")
    result.caption_justify = "left"
    if is_member.any():
        result.rows[is_member.sum() - 1].end_section = True
    return result


def draw_overfitting(path: Path, table: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw the pooled rows of ``overfitting`` to a PNG: validation and test metrics, and the gain over the average.

    Validation metrics on images of the fit are drawn apart from the others: those of members, which were never fitted
    on them, and of methods in inner folds.
    """
    pooled = table[table["fold"] == POOLED].copy()
    unfitted = pooled["parameters"] == 0
    for end in ("", "_low", "_high"):
        pooled[f"nested{end}"] = pooled[f"nested{end}"].where(~unfitted, pooled[f"validation{end}"])
        pooled[f"validation{end}"] = pooled[f"validation{end}"].where(~unfitted)
    models = pooled[pooled["metric"] == METRICS[0]].reset_index(drop=True)
    panels = [metric for metric in METRICS if pooled.loc[pooled["metric"] == metric, "test"].notna().any()]
    widths = [3.3] * len(panels) + [2.6]
    with canvas(path, (4.6 + sum(widths), 1.9 + 0.42 * len(models)), about) as figure:
        axes = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
        for axis, metric in zip(axes, panels, strict=False):
            rows = pooled[pooled["metric"] == metric]
            for part, (label, offset, style) in MARKS.items():
                if rows[part].notna().any():
                    _dots(axis, rows, part, offset, {"label": label, **style})
            axis.set_xlabel(METRIC_LABELS[metric])
        axes[-1].axvline(0, color="#888888", linewidth=1)
        _dots(axes[-1], models, "difference", 0.0, {"color": COLOURS[0]})
        axes[-1].set_xlabel(f"{METRIC_LABELS[METRICS[0]]} on test, less the average's")
        _rows(axes, models)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles) or 1)


def _dots(axis: Axes, rows: pd.DataFrame, part: str, offset: float, style: dict[str, Any]) -> None:
    """Draw values and their intervals; undefined ones are left out."""
    values, low, high = rows[[part, f"{part}_low", f"{part}_high"]].to_numpy(np.float64).T
    places = np.arange(len(rows)) + offset
    # An interval need not hold its value, as that of a bootstrap at the edge.
    axis.hlines(places, low, high, color=style["color"], linewidth=1.3, alpha=0.7)
    axis.plot(values, places, linestyle="none", **{"marker": "o", "markersize": 6.5, "markeredgewidth": 1.6, **style})


def _rows(axes: np.ndarray, models: pd.DataFrame) -> None:
    """Name the rows, members above, with how many numbers each method fitted."""
    is_member = models["kind"] == MEMBER
    numbers = " (" + models["parameters"].astype(str) + ")"
    labels = models["model"].where(is_member, models["model"] + numbers)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    for axis in axes:
        axis.grid(False, axis="y")
        axis.tick_params(axis="y", length=0)
        if is_member.any() and not is_member.all():
            axis.axhline(is_member.sum() - 0.5, color="#444444", linewidth=1)
        for row in range(1, len(labels), 2):
            axis.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
    axes[0].set_title("members above, ensembles below (numbers fitted)", loc="left", fontsize=9.5)

"""How far the weights of an ensemble hold beyond the images that they were fitted on.

A search for the highest validation figure finds it, by skill or by chance. What is left of it on images that it never
saw says which of the two: inner folds of the validation images (``nested``), and the test images. The members show how
far validation and test differ in any case; they chose no more than their epoch on validation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.comparison.paired import mcnemar, paired_difference
from evaluation.core.labelled import score
from evaluation.intervals.bootstrap import Interval, intervals
from evaluation.intervals.pooling import pool

METRICS = ("f1_weighted", "auc")
MEMBER = "member"
METHOD = "method"
POOLED = "all"
SHOWN = {"f1_weighted": "weighted F1", "auc": "AUC"}


@dataclass(frozen=True)
class Candidate:
    """A member, or an ensemble of all by one method.

    Attributes:
        label: What tables call it.
        kind: MEMBER or METHOD.
        parameters: How many free numbers were fitted on validation images.
        runs: Validation and test rows, of each fold.
        nested: Validation rows predicted by what was fitted on the others, of each fold; None where that was not asked
            for. Of what is fitted on nothing they are the validation rows.
    """

    label: str
    kind: str
    parameters: int
    runs: tuple[Predictions, ...]
    nested: tuple[Predictions, ...] | None = None


def overfitting(candidates: Sequence[Candidate], reference: Candidate, settings: EvaluationConfig) -> pd.DataFrame:
    """Measure each candidate on validation (where it was fitted), on held-out validation images, and on test.

    Args:
        candidates: Members and methods, all of the same folds and images.
        reference: What they are compared with on the test images, such as the average.
        settings: Of the intervals.

    Returns:
        A row per candidate, fold (POOLED first; single folds where there are several) and metric of METRICS:
        ``model``, ``kind``, ``parameters``, ``fold``, ``metric``; ``validation``, ``nested``, ``test`` and
        ``difference`` (on test, minus the reference's), each with its ``_low`` and ``_high``; ``gap`` (validation less
        test), ``optimism`` (validation less nested: of the same images), ``mcnemar_p`` (calls on test against the
        reference's), ``validation_images``, ``validation_subjects``, ``test_images`` and ``test_subjects``.
    """
    rows = []
    for fold, places in _folds(reference):
        against = _of_folds(reference, places)
        for candidate in candidates:
            rows += _rows(_of_folds(candidate, places), against, fold, settings)
    return pd.DataFrame(rows)


def _folds(candidate: Candidate) -> Iterator[tuple[str, list[int]]]:
    every = list(range(len(candidate.runs)))
    yield POOLED, every
    if len(every) > 1:
        yield from ((str(candidate.runs[place].about.get("fold")), [place]) for place in every)


def _of_folds(candidate: Candidate, places: list[int]) -> Candidate:
    nested = candidate.nested and tuple(candidate.nested[place] for place in places)
    return replace(candidate, runs=tuple(candidate.runs[place] for place in places), nested=nested)


def _rows(candidate: Candidate, reference: Candidate, fold: str, settings: EvaluationConfig) -> list[dict]:
    validation = score(_joined(candidate.runs, "validation"))
    tested = pool(list(candidate.runs))
    test = score(tested)
    against = pool(list(reference.runs))
    found = {"validation": intervals(validation, settings), "test": intervals(test, settings)}
    if candidate.nested is not None:
        found["nested"] = intervals(score(_joined(candidate.nested, "validation")), settings)
    if candidate.label != reference.label:
        found["difference"] = paired_difference(tested, against, METRICS, settings)
    shared = {"model": candidate.label, "kind": candidate.kind, "parameters": candidate.parameters, "fold": fold}
    sizes = {
        "mcnemar_p": mcnemar(tested, against)["p_value"] if "difference" in found else None,
        "validation_images": len(validation.labels),
        "validation_subjects": validation.subjects,
        "test_images": len(test.labels),
        "test_subjects": test.subjects,
    }
    return [{**shared, "metric": metric, **_columns(found, metric), **sizes} for metric in METRICS]


def _columns(found: dict[str, dict[str, Interval]], metric: str) -> dict[str, float | None]:
    columns = {}
    for part in ("validation", "nested", "test", "difference"):
        if part in found:
            interval = found[part][metric]
        else:
            interval = None
        columns[part] = interval and interval.value
        columns[f"{part}_low"], columns[f"{part}_high"] = (interval.low, interval.high) if interval else (None, None)
    columns["gap"] = _less(columns["validation"], columns["test"])
    columns["optimism"] = _less(columns["validation"], columns["nested"])
    return columns


def _less(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    return first - second


def _joined(runs: Sequence[Predictions], part: str) -> Predictions:
    """Rows of several folds; a validation image of two folds, predicted by other models in each, is there twice."""
    frame = pd.concat([run.part(part).frame for run in runs], ignore_index=True)
    return Predictions(frame, runs[0].classes, runs[0].positive_class, runs[0].about)


def shown(table: pd.DataFrame, metric: str) -> Table:
    """Draw the pooled rows of one metric for the terminal, members above; the numbers fitted stand in brackets."""
    rows = table[(table["fold"] == POOLED) & (table["metric"] == metric)]
    nested = rows.loc[rows["parameters"] > 0, "nested"].notna().any()
    parts = ["validation", *(["nested"] if nested else []), "test"]
    caption = "gain: over the average, on test"
    # Six columns beside a long name fit into a terminal of 80 characters.
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    result.add_column(SHOWN[metric], no_wrap=True, style="bold")
    for part in parts:
        result.add_column(part, justify="right")
    result.add_column("interval", justify="center", no_wrap=True)
    result.add_column("gain", justify="right")
    for row in rows.to_dict("records"):
        # As text: a run may be called [red].
        if row["kind"] == MEMBER:
            name = row["model"]
        else:
            name = f"{row['model']} ({row['parameters']})"
        if pd.isna(row["test_low"]):
            ends = "-"
        else:
            ends = f"{row['test_low']:.3f} to {row['test_high']:.3f}"
        values = [name, *(_number(row[part]) for part in parts), ends, _number(row["difference"], "+")]
        last = row["kind"] == MEMBER and row["model"] == rows.loc[rows["kind"] == MEMBER, "model"].iloc[-1]
        result.add_row(*map(Text, values), end_section=last)
    return result


def _number(value: float | None, sign: str = "") -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:{sign}.3f}"

"""How far the weights of an ensemble generalise beyond the images that they were fitted on.

A search for the highest validation metric finds it, by skill or by chance. Images that it never saw tell the two apart:
inner folds of the validation images (``nested``), and the test images. The members show how far validation and test
differ in any case; on validation they chose no more than their epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.comparison.paired import mcnemar, paired, paired_difference
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.ensembles.methods import Combiner
from evaluation.intervals.bootstrap import intervals
from evaluation.intervals.pooling import pool

METRICS = ("f1_weighted", "auc")
MEMBER = "member"
METHOD = "method"
POOLED = "all"
METRIC_LABELS = {"f1_weighted": "weighted F1", "auc": "AUC"}


@dataclass(frozen=True)
class Candidate:
    """A member, or an ensemble of all members by one method.

    Attributes:
        label: Its name in tables.
        kind: MEMBER or METHOD.
        runs: Validation and test rows, of each fold.
        nested: Validation rows predicted by combiners that were fitted on the others, of each fold; None without nested
            cross-validation. Where nothing is fitted they are the validation rows.
        combiners: Of each fold; none of a member.
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

    Args:
        candidates: Members and methods, all of the same folds and images.
        reference: Their baseline on the test images, such as the average.
        settings: Settings of the intervals.

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
            interval = of_part.get(metric)
            row[name] = interval and interval.value
            row[f"{name}_low"] = interval and interval.low
            row[f"{name}_high"] = interval and interval.high
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
    parts = ["validation", "test"]
    if rows.loc[rows["parameters"] > 0, "nested"].notna().any():
        parts.insert(1, "nested")
    caption = "gain: over the average, on test"
    # Six columns beside a long name fit into a terminal of 80 characters.
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    result.add_column(METRIC_LABELS[metric], no_wrap=True, style="bold")
    for part in parts:
        result.add_column(part, justify="right")
    result.add_column("interval", justify="center", no_wrap=True)
    result.add_column("gain", justify="right")
    last_member = rows.loc[rows["kind"] == MEMBER].index.max()
    for index, row in rows.iterrows():
        name = f"{row['model']} ({row['parameters']})" if row["kind"] == METHOD else row["model"]
        cells = [name]
        for part in parts:
            cells.append("-" if pd.isna(row[part]) else f"{row[part]:.3f}")
        cells.append("-" if pd.isna(row["test_low"]) else f"{row['test_low']:.3f} to {row['test_high']:.3f}")
        cells.append("-" if pd.isna(row["difference"]) else f"{row['difference']:+.3f}")
        # As text: a run may be called [red].
        result.add_row(*map(Text, cells), end_section=index == last_member)
    return result

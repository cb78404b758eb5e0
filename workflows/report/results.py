"""What limits the figures of one experiment, and the members of an ensemble."""

import re

from common.runs.run import Run
from evaluation.pages.blocks import Section, metric_title
from evaluation.result import EvaluationResult
from evaluation.tables import Cell, Table
from workflows.report.sources import Chapter
from workflows.report.summary import last_part


def warnings_section(result: EvaluationResult, name: str, hidden: str | None) -> Section:
    """The warnings but those of a topic, metrics named as in the tables; those of the validation images in one line."""
    warnings = result.warnings_except("validation")
    titles = {metric: metric_title(metric) for metric in result.test.metrics}
    lines = []
    for warning in warnings:
        if warning.topic != hidden:
            lines.append(re.sub(r"[^\s,()]+", lambda word: titles.get(word[0], word[0]), str(warning)))
    others = len(result.warnings) - len(warnings)
    if others:
        lines.append(f"{others} more about the validation images: python scripts/evaluate.py RUN shows them")
    return Section("What limits these figures", name, intro=lines)


def members_section(chapter: Chapter, name: str) -> Section:
    """Show the members and their weights; empty for a run that is no ensemble."""
    tables = []
    for run in chapter.runs:
        if run.is_ensemble:
            tables.append(_members(run, chapter.fold_of(run, ", ")))
    return Section("The ensemble", name, tables=tables)


def _members(run: Run, fold: str) -> Table:
    fitted = "Nothing was fitted."
    method = "average"
    weights = None
    # An ensemble of an older revision names its members here and has no file of its own.
    labels = [last_part(folder, 3) for folder in run.status.members]
    if not labels:
        method = run.ensemble.method
        labels = list(run.ensemble.labels)
        weights = run.ensemble.combiner.get("weights")
        if run.ensemble.fitted_on.get("images"):
            fitted = f"Fitted on {run.ensemble.fitted_on['images']:,} validation images."
    rows: list[dict[str, Cell]] = [{"member": label} for label in labels]
    reading = "Each member is a whole model."
    if weights:
        reading = "The larger the weight, the more a member's probability counts."
        for row, weight in zip(rows, weights, strict=True):
            row["weight"] = f"{weight:.3f}"
    return Table.of(f"Members, joined by {method}{fold}", rows, f"{reading} {fitted}")

"""The sections of a page: what limits the figures, the members of an ensemble, several experiments compared."""

import re

from karyocyte.evaluation.pages.blocks import Section, metric_title
from karyocyte.evaluation.tables.comparison_tables import group_tables
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.table import Cell, Table
from karyocyte.runs.run import Run
from karyocyte.workflows.report.sources import Chapter

PAIRS = "Whether two of them differ, image by image: python scripts/evaluate.py with the same runs."


def warnings_section(result: EvaluationResult, name: str) -> Section:
    """The warnings, metrics named as in the tables; those of the validation images in one line."""
    warnings = result.warnings_except("validation")
    titles = dict(zip(result.metrics, map(metric_title, result.metrics), strict=True))
    lines = [re.sub(r"[^\s,()]+", lambda word: titles.get(word[0], word[0]), str(warning)) for warning in warnings]
    others = len(result.warnings) - len(warnings)
    if others:
        lines.append(f"{others} more about the validation images are in metrics.json of the run")
    return Section("What limits these figures", name, intro=lines)


def members_section(chapter: Chapter, name: str) -> Section:
    """Show the members and their weights; empty for a run that is no ensemble."""
    tables = [_members(run, chapter.fold_of(run, ", ")) for run in chapter.runs if run.is_ensemble]
    return Section("The ensemble", name, tables=tables)


def _members(run: Run, fold: str) -> Table:
    ensemble = run.ensemble
    weights = ensemble.combiner.get("weights") or []
    images = ensemble.fitted_on.get("images")
    rows: list[dict[str, Cell]] = [{"member": label} for label in ensemble.labels]
    for row, weight in zip(rows, weights, strict=False):
        row["weight"] = f"{weight:.3f}"
    reading = "The larger the weight, the more a member's probability counts."
    if not weights:
        reading = "Each member is a whole model."
    fitted = f"Fitted on {images:,} validation images." if images else "Nothing was fitted."
    return Table.of(f"Members, joined by {ensemble.method}{fold}", rows, f"{reading} {fitted}")


def comparison_section(chapters: list[Chapter]) -> Section:
    """Return the section of a page of several experiments that is about all of them."""
    results = [chapter.result for chapter in chapters]
    tables = group_tables([chapter.label for chapter in chapters], results, results[0].confidence)
    return Section("All experiments", "overview", tables, intro=[PAIRS])

"""Several experiments beside one another: what each reaches, whether they differ, and where they err."""

from common.errors import UserError
from evaluation.comparison.agreement import agreement, gather, missed_counts
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.tables import group_tables, pairs_table
from evaluation.core.formats import number
from evaluation.pages.blocks import Section, count, per_cent
from evaluation.tables import Cell, Table
from workflows.report.plots import forest_figure, misses_figure, rocs_figure
from workflows.report.sources import Chapter

FEW_PAIRS = 60  # more would fill pages: then those that differ the most


def comparison_sections(chapters: list[Chapter], real_names: bool) -> list[Section]:
    """Return the sections of a page of several experiments that are about all of them."""
    return [_overview(chapters), _pairs(chapters, real_names), _errors(chapters, real_names)]


def _overview(chapters: list[Chapter]) -> Section:
    results = [chapter.result for chapter in chapters]
    tables = group_tables([chapter.label for chapter in chapters], results, results[0].confidence)
    first = "auc" if all(result.positive_class is not None for result in results) else "accuracy"
    return Section("All experiments", "overview", tables, forest_figure(chapters, first) + rocs_figure(chapters))


def _pairs(chapters: list[Chapter], real_names: bool) -> Section:
    comparison = compare_groups([chapter.group for chapter in chapters], chapters[0].settings)
    limits = []
    for left_out in comparison.left_out:
        reason = str(left_out.reason) if real_names else left_out.reason.anonymous
        limits.append(f"{left_out.first} and {left_out.second} are not compared: {reason}")
    table = pairs_table(comparison)
    return Section("Do they differ?", "pairs", [table] if table else [], intro=limits + comparison.warnings)


def _errors(chapters: list[Chapter], real_names: bool) -> Section:
    try:
        models = gather([chapter.group for chapter in chapters])
        counts = missed_counts(models)
        pairs = agreement(models)
    except UserError as error:
        reason = f"Their errors cannot be compared: {error if real_names else error.anonymous}."
        return Section("Where they err", "errors", intro=[reason])
    rows: list[dict[str, Cell]] = []
    for row in counts.itertuples():
        rows.append({"missed by": str(row.k), "images": count(row.images), "share": per_cent(row.share)})
    missed = Table.of(
        f"How many of the {len(chapters)} models miss an image",
        rows,
        f"Of {counts['images'].sum():,} test images. Those in the first line are easy; those in the last line no model "
        "gets right, and no vote among them can.",
    )
    rows = []
    for row in pairs.sort_values("kappa", kind="stable").head(FEW_PAIRS).itertuples():
        cells: dict[str, Cell] = {
            "pair": f"{row.first} and {row.second}",
            "kappa": number(row.kappa, undefined="undefined"),
        }
        cells |= {"only one is right": per_cent(row.disagreement), "both are wrong": per_cent(row.double_fault)}
        rows.append(cells)
    alike = Table.of(
        "How alike the models are",
        rows,
        "Kappa is 1 where two models predict everything alike and 0 where they agree as by chance. Models that are "
        "good and err on different images gain by being joined.",
    )
    return Section("Where they err", "errors", [missed, alike], [misses_figure(counts)])

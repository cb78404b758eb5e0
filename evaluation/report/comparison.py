"""Several experiments beside one another: what each reaches, whether they differ, and where they err."""

from common.errors import UserError
from evaluation.comparison.agreement import agreement, gather, missed_counts
from evaluation.comparison.pairwise import compare_groups
from evaluation.core.formats import number
from evaluation.report.blocks import Section, Table, count, interval, metric_title, per_cent
from evaluation.report.plots import forest_figure, misses_figure, rocs_figure
from evaluation.report.results import confidence
from evaluation.report.sources import Chapter

OF_TWO = ("auc", "f1_weighted", "accuracy", "sensitivity", "specificity")
OF_MANY = ("accuracy", "f1_macro", "balanced_accuracy", "auc")
CORRECTIONS = {
    "holm": "p corrected after Holm",
    "fdr_bh": "p corrected after Benjamini and Hochberg",
    "none": "p as it is",
}
FEW_PAIRS = 60  # more would fill pages: then those that differ the most


def comparison_sections(chapters: list[Chapter], real_names: bool) -> list[Section]:
    """Return the sections of a page of several experiments that are about all of them."""
    return [_overview(chapters), _pairs(chapters, real_names), _errors(chapters, real_names)]


def _overview(chapters: list[Chapter]) -> Section:
    two = all(chapter.result.positive_class is not None for chapter in chapters)
    metrics = OF_TWO if two else OF_MANY
    rows = []
    for chapter in chapters:
        test = chapter.result.test
        row = {"experiment": chapter.label, "images": count(test.images), "subjects": count(test.subjects)}
        rows.append(row | {metric_title(name): interval(test.metrics.get(name)) for name in metrics})
    table = Table(
        f"Test metrics of {len(chapters)} experiments, with {confidence(chapters[0].result)} intervals",
        "Where two ranges overlap widely, the order of the two says little; the comparison below goes image by image.",
        rows,
    )
    return Section("All experiments", "overview", [table], forest_figure(chapters, metrics[0]) + rocs_figure(chapters))


def _pairs(chapters: list[Chapter], real_names: bool) -> Section:
    comparison = compare_groups([chapter.group for chapter in chapters], chapters[0].settings)
    limits = []
    for left_out in comparison.left_out:
        reason = str(left_out.reason) if real_names else left_out.reason.anonymous
        limits.append(f"{left_out.first} and {left_out.second} are not compared: {reason}")
    pairs = sorted(comparison.pairs, key=lambda pair: pair.p_corrected)
    rows = []
    for pair in pairs[:FEW_PAIRS]:
        row = {"pair": f"{pair.first} − {pair.second}"}
        for metric, difference in pair.differences.items():
            row[metric_title(metric)] = interval(difference, "+")
        row["right: only first / only second"] = f"{pair.mcnemar.only_first:,} / {pair.mcnemar.only_second:,}"
        row["p"] = "< 0.001" if pair.p_corrected < 0.001 else number(pair.p_corrected)
        rows.append(row)
    more = ""
    if len(pairs) > FEW_PAIRS:
        more = f" Of {len(pairs)} pairs those with the smallest p are shown."
    table = Table(
        f"All pairs, first minus second ({CORRECTIONS[comparison.correction]})",
        "A range that does not contain 0, and a p below 0.05, speak for a difference. p is McNemar's, of the images "
        f"that only one of the two predicts right, corrected for the number of pairs.{more}",
        rows,
    )
    return Section("Do they differ?", "pairs", [table] if rows else [], intro=limits + comparison.warnings)


def _errors(chapters: list[Chapter], real_names: bool) -> Section:
    try:
        models = gather([chapter.group for chapter in chapters])
        counts = missed_counts(models)
        pairs = agreement(models)
    except UserError as error:
        reason = f"Their errors cannot be compared: {error if real_names else error.anonymous}."
        return Section("Where they err", "errors", intro=[reason])
    rows = []
    for row in counts.itertuples():
        rows.append({"missed by": str(row.k), "images": count(row.images), "share": per_cent(row.share)})
    missed = Table(
        f"How many of the {len(chapters)} models miss an image",
        f"Of {counts['images'].sum():,} test images. Those in the first line are easy; those in the last line no model "
        "gets right, and no vote among them can.",
        rows,
    )
    rows = []
    for row in pairs.sort_values("kappa", kind="stable").head(FEW_PAIRS).itertuples():
        cells = {"pair": f"{row.first} and {row.second}", "kappa": number(row.kappa, undefined="undefined")}
        cells |= {"only one is right": per_cent(row.disagreement), "both are wrong": per_cent(row.double_fault)}
        rows.append(cells)
    alike = Table(
        "How alike the models are",
        "Kappa is 1 where two models predict everything alike and 0 where they agree as by chance. Models that are "
        "good and err on different images gain by being joined.",
        rows,
    )
    return Section("Where they err", "errors", [missed, alike], [misses_figure(counts)])

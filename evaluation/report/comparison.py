"""Several experiments beside one another: what each reaches, whether they differ, and where they err."""

import pandas as pd

from common.errors import UserError
from evaluation.comparison.pairwise import compare_groups
from evaluation.error_analysis.agreement import agreement, missed_counts
from evaluation.error_analysis.aligned import gather
from evaluation.report.blocks import Row, Section, Table, count, interval, number, per_cent, words_of
from evaluation.report.plots import forest_figure, misses_figure
from evaluation.report.sources import Chapter
from evaluation.result import Interval

OF_TWO = ("auc", "f1_weighted", "accuracy", "sensitivity", "specificity")
OF_MANY = ("accuracy", "f1_macro", "balanced_accuracy", "auc")
CORRECTIONS = {
    "holm": "p corrected after Holm",
    "fdr_bh": "p corrected after Benjamini and Hochberg",
    "none": "p as it is",
}
FEW_PAIRS = 60  # more would fill pages: then those that differ the most


def overview_section(chapters: list[Chapter]) -> Section:
    """Put the test metrics of all chapters into one table and one drawing."""
    two = all(chapter.result.positive_class is not None for chapter in chapters)
    names = OF_TWO if two else OF_MANY
    rows = []
    for chapter in chapters:
        test = chapter.result.test
        cells = [count(test.images), count(test.subjects)]
        cells += [interval(test.metrics.get(name)) for name in names]
        rows.append(Row(chapter.label, cells))
    table = Table(
        f"Test metrics of {len(chapters)} experiments, with {100 * chapters[0].result.confidence:.4g} % intervals",
        "Where two ranges overlap widely, the order of the two says little; the comparison below goes image by image.",
        ["experiment", "images", "subjects", *(words_of(name)[0] for name in names)],
        rows,
    )
    drawn = [chapter for chapter in chapters if chapter.result.test.metrics[names[0]].value is not None]
    figures = [forest_figure(drawn, names[0])] if drawn else []
    return Section("All experiments", "overview", tables=[table], figures=figures)


def pairs_section(chapters: list[Chapter], real_names: bool) -> Section:
    """Compare every pair on the same images, the p-values corrected for the number of pairs."""
    found = compare_groups([chapter.group for chapter in chapters], chapters[0].settings)
    limits = []
    for pair in found["left_out"]:
        reason = pair["reason"] if real_names else pair["anonymous"]
        limits.append(f"{pair['first']} and {pair['second']} are not compared: {reason}")
    section = Section("Do they differ?", "pairs", intro=limits + found["warnings"])
    pairs = sorted(found["pairs"], key=lambda pair: pair["p_corrected"])
    if not pairs:
        return section
    metrics = list(pairs[0]["differences"])
    rows = []
    for pair in pairs[:FEW_PAIRS]:
        cells = [interval(Interval(**pair["differences"][metric]), "+") for metric in metrics]
        cells.append(f"{pair['mcnemar']['only_first']:,} / {pair['mcnemar']['only_second']:,}")
        cells.append("< 0.001" if pair["p_corrected"] < 0.001 else number(pair["p_corrected"]))
        rows.append(Row(f"{pair['first']} − {pair['second']}", cells))
    more = f" Of {len(pairs)} pairs those with the smallest p are shown." * (len(pairs) > FEW_PAIRS)
    table = Table(
        f"All pairs, first minus second ({CORRECTIONS[found['method']]})",
        "A range that does not contain 0, and a p below 0.05, speak for a difference. p is McNemar's, of the images "
        f"that only one of the two predicts right, corrected for the number of pairs.{more}",
        ["pair", *(words_of(metric)[0] for metric in metrics), "right: only first / only second", "p"],
        rows,
    )
    section.tables.append(table)
    return section


def errors_section(chapters: list[Chapter], real_names: bool) -> Section:
    """Show how many images are missed by how many models, and how alike the models are."""
    section = Section("Where they err", "errors")
    groups = [chapter.group for chapter in chapters]
    try:
        models = gather(groups)
        counts = missed_counts(models)
        pairs = agreement(models)
    except UserError as error:
        section.intro.append(f"Their errors cannot be compared: {error if real_names else error.anonymous}.")
        return section
    missed = Table(
        f"How many of the {len(groups)} models miss an image",
        f"Of {counts['images'].sum():,} test images. Those in the first line are easy; those in the last line no model "
        "gets right, and no vote among them can.",
        ["missed by", "images", "share"],
        [Row(str(row.k), [f"{row.images:,}", per_cent(row.share)]) for row in counts.itertuples()],
    )
    section.tables.extend([missed, _agreement(pairs)])
    section.figures.append(misses_figure(counts))
    return section


def _agreement(pairs: pd.DataFrame) -> Table:
    rows = []
    for row in pairs.sort_values("kappa", kind="stable").head(FEW_PAIRS).itertuples():
        kappa = number(None if pd.isna(row.kappa) else row.kappa)
        rows.append(
            Row(f"{row.first} and {row.second}", [kappa, per_cent(row.disagreement), per_cent(row.double_fault)])
        )
    return Table(
        "How alike the models are",
        "Kappa is 1 where two models predict everything alike and 0 where they agree as by chance. Models that are "
        "good and err on different images gain by being joined.",
        ["pair", "kappa", "only one is right", "both are wrong"],
        rows,
    )

"""Several experiments beside one another: what each reaches, whether they differ, and where they err."""

import pandas as pd

from common.errors import UserError
from evaluation.comparison.pairwise import compare_groups
from evaluation.error_analysis.agreement import agreement, missed_counts
from evaluation.error_analysis.aligned import gather
from evaluation.report.blocks import Row, Section, Table, confidence, interval, number, per_cent, words_of
from evaluation.report.plots import drawn_forest, drawn_misses
from evaluation.report.sources import Chapter

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
    two = all(chapter.judgement["positive_class"] is not None for chapter in chapters)
    if two:
        names = OF_TWO
    else:
        names = OF_MANY
    rows = []
    for chapter in chapters:
        test = chapter.judgement["test"]
        cells = [f"{test['images']:,}", "unknown" if test["subjects"] is None else f"{test['subjects']:,}"]
        rows.append(Row(chapter.label, [*cells, *(interval(test["metrics"].get(name)) for name in names)]))
    heads = [words_of(name, [], None)[0] for name in names]
    first = chapters[0].judgement
    table = Table(
        f"Test metrics of {len(chapters)} experiments, with {confidence(first)} intervals",
        "Where two ranges overlap widely, the order of the two says little; the comparison below goes image by image.",
        ["experiment", "images", "subjects", *heads],
        rows,
    )
    if two:
        lead = names[0]
    else:
        lead = "accuracy"
    drawn = [chapter for chapter in chapters if chapter.judgement["test"]["metrics"][lead]["value"] is not None]
    return Section("All experiments", "overview", tables=[table], figures=[drawn_forest(drawn, lead)] if drawn else [])


def pairs_section(chapters: list[Chapter]) -> Section:
    """Compare every pair on the same images, the p-values corrected for the number of pairs."""
    title = "Do they differ?"
    name = "pairs"
    found = compare_groups([chapter.group for chapter in chapters], chapters[0].settings)
    limits = [f"{one['first']} and {one['second']} are not compared: {one['reason']}" for one in found["left_out"]]
    limits += found["warnings"]
    if not found["pairs"]:
        return Section(title, name, intro=limits)
    pairs = sorted(found["pairs"], key=lambda pair: pair["p_corrected"])
    metrics = list(dict.fromkeys(metric for pair in pairs for metric in pair["differences"]))
    rows = [
        Row(
            f"{pair['first']} − {pair['second']}",
            [
                *(interval(pair["differences"].get(metric), "+") for metric in metrics),
                f"{pair['mcnemar']['only_first']:,} / {pair['mcnemar']['only_second']:,}",
                _p_value(pair["p_corrected"]),
            ],
        )
        for pair in pairs[:FEW_PAIRS]
    ]
    if len(pairs) > FEW_PAIRS:
        left_out = f" Of {len(pairs)} pairs those with the smallest p are shown."
    else:
        left_out = ""
    table = Table(
        f"All pairs, first minus second ({CORRECTIONS[found['method']]})",
        "A range that does not contain 0, and a p below 0.05, speak for a difference. p is McNemar's, of the images "
        f"that only one of the two calls rightly, corrected where many pairs are looked at.{left_out}",
        ["pair", *(words_of(metric, [], None)[0] for metric in metrics), "right: only first / only second", "p"],
        rows,
    )
    return Section(title, name, tables=[table], intro=limits)


def errors_section(chapters: list[Chapter]) -> Section:
    """Say how many images are missed by how many models, and how alike the models are."""
    title = "Where they err"
    name = "errors"
    groups = [chapter.group for chapter in chapters]
    try:
        models = gather(groups)
        counts = missed_counts(models)
        pairs = agreement(models)
    except UserError as error:
        return Section(title, name, intro=[f"Their errors cannot be compared: {error}."])
    total = int(counts["images"].sum())
    rows = [Row(str(row.k), [f"{row.images:,}", per_cent(row.share)]) for row in counts.itertuples()]
    missed = Table(
        f"How many of the {len(groups)} models miss an image",
        f"Of {total:,} test images. Those in the first line are easy; those in the last line no model gets right, and "
        "no vote among them can.",
        ["missed by", "images", "share"],
        rows,
    )
    return Section(title, name, tables=[missed, _agreement(pairs)], figures=[drawn_misses(counts)])


def _agreement(pairs: pd.DataFrame) -> Table:
    rows = [
        Row(
            f"{row.first} and {row.second}", [_kappa(row.kappa), per_cent(row.disagreement), per_cent(row.double_fault)]
        )
        for row in pairs.sort_values("kappa", kind="stable").head(FEW_PAIRS).itertuples()
    ]
    return Table(
        "How alike the models are",
        "Kappa is 1 where two models call everything alike and 0 where they agree as by chance. Models that are good "
        "and err on different images gain by being joined.",
        ["pair", "kappa", "only one is right", "both are wrong"],
        rows,
    )


def _p_value(value: float | None) -> str:
    if value is None or pd.isna(value):
        return "undefined"
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}"


def _kappa(value: float) -> str:
    return number(None if pd.isna(value) else value)

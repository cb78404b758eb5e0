"""The figure of a paper: a row for each network that was measured, with its finding as title."""

import pandas as pd
from matplotlib.figure import Figure

from docs.drawings import papers
from karyocyte.common.paths import ROOT


def test_the_title_counts_the_rows_by_their_grades():
    figures = papers.main_figures("004")
    words = figures["word"].value_counts()
    assert f"{words['worse']} worse than printed" in papers.title_of("004", figures)
    graded = figures[figures["word"] != papers.NOT_PRINTED]
    assert graded["grade"].str.contains("worse").sum() == words["worse"]
    assert graded["value"].notna().all()
    for paper in papers.SPLITS:  # each drawn picture is on its page
        assert f"paper_{paper}.png" in (ROOT / "docs" / "papers" / f"{paper}.md").read_text(encoding="utf-8")


def test_a_row_has_the_printed_figure_and_both_intervals_of_ours():
    row = papers.main_figures("004").set_index("experiment", drop=False).loc["resnet50_cut_block5"]
    axis = Figure().subplots()
    papers._draw_row(axis, next(pd.DataFrame([row]).reset_index(drop=True).itertuples()))
    drawn = [set(line.get_xdata()) for line in axis.get_lines()]
    for ends in (
        {row["printed"]},
        {row["value"]},
        {row["persons_low"], row["persons_high"]},
        {row["printed"] + row["difference_low"], row["printed"] + row["difference_high"]},
        {row["apart_low"], row["apart_high"]},
    ):
        assert ends in drawn

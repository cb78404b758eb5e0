"""Compared figures on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from common.cli import console, say
from common.errors import UserError
from common.files import write_csv
from evaluation.renderers import terminal
from workflows.papers.tables import figure_tables
from workflows.papers.verdicts import compared_figures


def show_comparison(paths: Sequence[Path], results: Path, papers: tuple[str, ...], csv: Path | None) -> None:
    """Print figures beside those of runs (none named: of the tables of results), and write them as a table.

    Of papers that are named these are all figures, else with runs only those of their experiments. A ``UserError`` says
    that none of the runs is of an experiment of the papers.
    """
    table = compared_figures(paths, papers, results)
    of_runs = table["measured_on"].notna()
    if paths and not of_runs.any():
        wanted = f"paper {' or '.join(papers)}" if papers else "a paper"
        raise UserError(f"none of these runs is an experiment of {wanted}: claims.csv in {results} names them")
    if paths and not papers:
        table, of_runs = table[of_runs], of_runs[of_runs]
    for drawn in figure_tables(table[of_runs]):
        console.print(terminal(drawn), drawn.reading, "", sep="\n")
    missing = table.loc[~of_runs, "experiment"].unique()
    if len(missing):
        say("not measured here", ", ".join(missing))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in table["verdict"].value_counts().items())
    of_them = f" ({(~of_runs).sum()} of them not measured here)" if len(missing) else ""
    say(f"{len(table)} printed figures: {counts}{of_them}")
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")

"""Compared figures on the terminal."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from common.cli import console, say
from common.errors import UserError
from common.files import write_csv
from common.text import counted
from evaluation.renderers import WIDTH, terminal
from workflows.papers.tables import figure_tables, summary
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
    if len(missing) and paths:  # with runs, what has none was not asked for
        say(f"{counted(len(missing), 'experiment')} of the paper without a run here")
    elif len(missing):
        say("not measured here", *textwrap.wrap(", ".join(missing), WIDTH))
    say(summary(table))
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")

"""What the papers claim, what was measured here, and which claims do not follow from what the papers print."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from common.paths import ROOT

if TYPE_CHECKING:
    import pandas as pd

Paper = Annotated[list[str] | None, typer.Option(help="Such as 004; repeatable.", show_default="all papers")]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]
Results = Annotated[Path, typer.Option(help="Folder with claims.csv, claims/ and the measured tables.")]
Failed = Annotated[bool, typer.Option("--failed", help="Show only what does not follow.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
RESULTS = ROOT / "results"
GOOD = "green"
BAD = "red"


@app.callback(invoke_without_command=True)
@report_user_errors()
def compare(ctx: typer.Context, paper: Paper = None, csv: Csv = None, results: Results = RESULTS) -> None:
    """Hold every claim against what was measured here: split as the paper did, and on an honest split.

    A claim is [bold]reached[/bold] or [bold]not reached[/bold] only where the paper's split and data were repeated: by
    the 95 % interval of ours. Else it is [bold]not comparable[/bold], and the reason is said.

    [bold]python scripts/compare.py --paper 004 --csv claims.csv[/bold]

    [bold]python scripts/compare.py audit[/bold]
    """
    from common.errors import UserError
    from evaluation.papers import reproduction as claims_table
    from evaluation.papers.tables import compared

    if ctx.invoked_subcommand is not None:
        if paper or csv or results != RESULTS:
            raise UserError(f"write options after the word: compare.py {ctx.invoked_subcommand} --paper ...")
        return
    table = claims_table.compare(results, tuple(paper or ()))
    for name, rows in compared(table).drop(columns="section").groupby(table["paper"].to_numpy()):
        _print(f"paper {name}", rows, {claims_table.REACHED: GOOD, claims_table.NOT_REACHED: BAD})
    _counted(table["verdict"], "claims and measurements")
    _write(csv, table)


@app.command()
@report_user_errors()
def audit(paper: Paper = None, csv: Csv = None, results: Results = RESULTS, failed: Failed = False) -> None:
    """Recompute every printed figure that follows from others: matrices, shares, sums, figures printed twice.

    [bold]python scripts/compare.py audit --failed[/bold]
    """
    from evaluation.papers import audit as claims_audit
    from evaluation.papers.tables import DIFFERS, FAILS, audited

    table = claims_audit.audit(results, tuple(paper or ()))
    for name, rows in audited(table, failed).groupby("paper"):
        _print(f"paper {name}", rows.drop(columns="paper"), {FAILS: BAD, DIFFERS: BAD})
    said = table["kind"].map({"twice": "differ"}).fillna("do not follow").mask(table["follows"], "follow")
    _counted(said, "printed figures")
    _write(csv, table)


def _print(title: str, rows: "pd.DataFrame", colours: dict[str, str]) -> None:
    """Print rows as a table; the verdict, their last column, in its colour."""
    from rich.table import Table
    from rich.text import Text

    from common.cli import console

    table = Table(title=title, title_justify="left", show_lines=True)
    for column in rows.columns:
        table.add_column(column, overflow="fold")  # a name is one long word, whose end tells it apart
    for *cells, verdict in rows.astype(str).itertuples(index=False):
        style = next((colour for word, colour in colours.items() if verdict.startswith(word)), "")
        # Plain texts: brackets in them are no markup.
        table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)


def _counted(verdicts: "pd.Series", what: str) -> None:
    from common.cli import say

    said = [f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()]
    say(f"{len(verdicts)} {what}: {', '.join(said)}")


def _write(path: Path | None, table: "pd.DataFrame") -> None:
    from common.cli import say
    from common.files import write_csv

    if path:
        write_csv(path, table, "%.6g")
        say(f"written to {path}")


if __name__ == "__main__":
    app()

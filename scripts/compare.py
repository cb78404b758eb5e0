"""Claims of the papers beside our measurements, and claims that do not follow from what the papers print."""

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed

from common.cli import report_user_errors
from common.paths import ROOT

Paper = Annotated[list[str] | None, typer.Option(help="Such as 004; repeatable.", show_default="all papers")]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]
Results = Annotated[
    Path, typer.Option(exists=True, file_okay=False, help="Folder with claims.csv, claims/ and the measured tables.")
]
Failed = Annotated[bool, typer.Option("--failed", help="Show only what does not follow.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
RESULTS = ROOT / "results"


@app.callback(invoke_without_command=True)
@report_user_errors()
def compare(ctx: typer.Context, paper: Paper = None, csv: Csv = None, results: Results = RESULTS) -> None:
    """Compare every claim with what was measured here: split as the paper did, and on an honest split.

    A claim is [bold]reached[/bold] or [bold]not reached[/bold] only where the paper's split and data were repeated: by
    the 95 % interval of ours. Else it is [bold]not comparable[/bold], with the reason.

    [bold]python scripts/compare.py --paper 004 --csv claims.csv[/bold]

    [bold]python scripts/compare.py audit[/bold]
    """
    from common.cli import console, say
    from common.errors import UserError
    from common.files import write_csv
    from evaluation.papers import reproduction
    from evaluation.papers.terminal import claims_text, counts_text

    if ctx.invoked_subcommand is not None:
        if paper or csv or results != RESULTS:
            raise UserError(f"write options after the word: compare.py {ctx.invoked_subcommand} --paper ...")
        return
    table = reproduction.compare(results, tuple(paper or ()))
    console.print(claims_text(table))
    say(counts_text(table["verdict"], "claims and measurements"))
    if csv:
        write_csv(csv, table.drop(columns="reasons"), "%.6g")
        say(f"written to {csv}")


@app.command()
@report_user_errors()
def audit(paper: Paper = None, csv: Csv = None, results: Results = RESULTS, failed: Failed = False) -> None:
    """Recompute every printed figure that follows from others: matrices, shares, sums, figures printed twice.

    [bold]python scripts/compare.py audit --failed[/bold]
    """
    from common.cli import console, say
    from common.files import write_csv
    from evaluation.papers.audit import audit as audit_claims
    from evaluation.papers.terminal import audit_text, counts_text

    table = audit_claims(results, tuple(paper or ()))
    console.print(audit_text(table[~table["follows"]] if failed else table))
    verdicts = table["kind"].map({"twice": "differ"}).fillna("do not follow").mask(table["follows"], "follow")
    say(counts_text(verdicts, "printed figures"))
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")


if __name__ == "__main__":
    app()

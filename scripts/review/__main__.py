"""Review the karyotypes of scripts/karyotype.py on a local page: ``python scripts/review OUTPUT``."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.cli import report_user_errors
from common.errors import UserError

Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="Output folder of scripts/karyotype.py.")]
ReaderName = Annotated[str | None, typer.Option(help="Who reviews.", show_default="the user's name")]
Blind = Annotated[bool, typer.Option("--blind", help="Hide all predictions.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: a free one.")]
DecisionFiles = Annotated[
    list[Path] | None,
    typer.Option(help="File of decisions; several with --summary or --export-labels.", show_default="in OUTPUT"),
]
Summary = Annotated[bool, typer.Option("--summary", help="Print the agreement and the time per cell, and end.")]
ExportLabels = Annotated[Path | None, typer.Option(help="Write the approved classes as a new table (.csv), and end.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def review(
    output: Output,
    reader: ReaderName = None,
    blind: Blind = False,
    port: Port = 0,
    decisions: DecisionFiles = None,
    summary: Summary = False,
    export_labels: ExportLabels = None,
) -> None:
    """Review the karyotypes of cells on a page of this machine, without a model and without a network.

    Every decision is kept at once in OUTPUT/decisions.jsonl; the same command goes on where the reader stopped.

    [bold]python scripts/review out --reader reader1[/bold]

    [bold]python scripts/review out --summary --decisions reader1.jsonl --decisions reader2.jsonl[/bold]
    """
    from workflows.review import review as work
    from workflows.review.bundle import ReviewBundle
    from workflows.review.decisions import FILE

    bundle = ReviewBundle(output)
    paths = decisions or [output / FILE]
    if export_labels is not None:
        work.export_labels(bundle, paths, export_labels)
    if summary:
        work.summarise(bundle, paths)
    if summary or export_labels is not None:
        return
    if len(paths) > 1:
        raise UserError("several --decisions are for --summary and --export-labels: name one to review")
    work.serve(bundle, paths[0], reader or getpass.getuser(), blind, port)


if __name__ == "__main__":
    app()

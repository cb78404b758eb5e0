"""Review karyotypes or predictions on a local page: ``python scripts/review.py OUTPUT``."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from common.errors import UserError
from common.runs.names import run_path

Output = Annotated[
    Path,
    typer.Argument(
        parser=run_path,
        metavar="OUTPUT",
        help="Output folder of scripts/karyotype.py, table of scripts/predict.py, or a run.",
    ),
]
ReaderName = Annotated[str | None, typer.Option(help="Who reviews.", show_default="the user's name")]
Blind = Annotated[bool, typer.Option("--blind", help="Hide all predictions.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: a free one.")]
DecisionFiles = Annotated[
    list[Path] | None,
    typer.Option(
        help="File of decisions; several with --summary or --export-labels.", show_default="in or beside OUTPUT"
    ),
]
Summary = Annotated[bool, typer.Option("--summary", help="Print the agreement and the time per item, and end.")]
ExportLabels = Annotated[Path | None, typer.Option(help="Write the approved classes as a new table (.csv), and end.")]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/review.py out --reader reader1",
        "python scripts/review.py out --export-labels approved.csv",
        "python scripts/review.py out --summary --decisions a.jsonl --decisions b.jsonl",
    )
)
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
    """Review karyotypes of cells, or predictions of images, on a page of this machine, without model and network.

    Every decision is kept at once in decisions.jsonl; the same command goes on where the reader stopped.
    """
    from workflows.review import review as work

    reviewed = work.open_review(output)
    paths = decisions or [reviewed.decisions_file]
    if export_labels is not None:
        work.export_labels(reviewed, paths, export_labels)
    if summary:
        work.summarise(reviewed, paths)
    if summary or export_labels is not None:
        return
    if len(paths) > 1:
        raise UserError("several --decisions are for --summary and --export-labels: name one to review")
    work.serve(reviewed, paths[0], reader or getpass.getuser(), blind, port)


if __name__ == "__main__":
    app()

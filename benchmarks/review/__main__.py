"""The review page under a script that acts as a quick reader: ``python -m benchmarks.review``."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.shared import show, write
from common.cli import TYPER, examples, report_user_errors

app = typer.Typer(**TYPER)

Cells = Annotated[int, typer.Option(min=10, help="Drawn cells of the page.")]
Reviewed = Annotated[int, typer.Option(min=1, help="Cells that are reviewed, and moved through.")]
Openings = Annotated[int, typer.Option(min=1, help="How often the page is opened.")]
Kills = Annotated[int, typer.Option(min=0, help="How often the server is killed while decisions are sent.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.command(epilog=examples("python -m benchmarks.review --csv results/review.csv"))
@report_user_errors()
def review(
    cells: Cells = 300, reviewed: Reviewed = 60, rounds: Openings = 10, kills: Kills = 30, csv: Csv = None
) -> None:
    """Measure the review page with drawn cells in the machine's own Chromium, at 1280 x 900.

    First paint, frames while the queue is scrolled and while the reader goes from cell to cell, the answer to a
    correction, and the seconds per cell of a script that corrects one chromosome and approves; then how many decisions
    are lost where the server is killed.
    """
    from benchmarks.review.measure import measure

    table = measure(cells, reviewed, rounds, kills)
    show(table, f"review page, {cells} cells", ["measured", "unit", "median", "worst", "times"])
    write(table.assign(cells=cells), csv)


if __name__ == "__main__":
    app()

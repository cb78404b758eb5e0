"""Write one page on finished runs: results, curves, and every test picture with its prediction."""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from common.runs.names import run_path

Runs = Annotated[
    list[Path],
    typer.Argument(
        parser=run_path,
        metavar="RUN...",
        help="Folders of runs or ensembles; folds are gathered by experiment.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="The page.", show_default="report.html in the folder of a single run, else here"),
]
Images = Annotated[int, typer.Option(min=0, help="Test images on the page, at most; wrong and doubtful ones first.")]
Megabytes = Annotated[float, typer.Option(min=5, help="Size of the page, at most; pictures are left out beyond.")]
RealNames = Annotated[
    bool, typer.Option("--real-names", help="Show the names of subjects and images; else they are numbers.")
]
Key = Annotated[
    Path | None, typer.Option(help="Write a table that leads from the numbers to the names; keep it with the images.")
]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/report.py chromosomes_best/latest",
        "python scripts/report.py outputs/resnet50_cut_block5/subject-fold*/seed=0",
    )
)
@report_user_errors()
def report(
    runs: Runs,
    output: Output = None,
    images: Images = 2000,
    megabytes: Megabytes = 40.0,
    real_names: RealNames = False,
    key: Key = None,
) -> None:
    """Write one self-contained page: a run, an ensemble, the folds of an experiment, or several experiments.

    It needs no network and no other file, and loads no model: pictures and heat maps are those that the runs or
    [bold]scripts/explain.py[/bold] left.
    """
    options = locals()
    from common.cli import say, warn
    from workflows.report.request import ReportRequest

    request = ReportRequest(**options)
    request.check()
    from workflows.report.page import Options, write_report  # takes seconds: after the checks

    shown = write_report(list(runs), request.page, Options(images, megabytes, real_names), key)
    pictures = f"{len(shown.data['items']):,} of {shown.total:,} test images, {len(shown.pictures):,} pictures"
    say(str(request.page), f"{pictures}, {request.page.stat().st_size / 1e6:.1f} MB")
    if real_names:
        warn("the page shows the names of subjects and images: handle it as patient data")


if __name__ == "__main__":
    app()

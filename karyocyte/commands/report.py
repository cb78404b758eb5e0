"""Write one page on finished runs: results, curves, and every test picture with its prediction."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.arguments import existing_predictions
from karyocyte.runs.names import run_path

RUNS = "Folders of runs or ensembles; folds are gathered by experiment."
Runs = Annotated[list[Path], Argument(parser=run_path, metavar="RUN...", help=RUNS)]
PLACE = "report.html in the folder of a single run, else here"
Output = Annotated[Path | None, Option(help="The page.", show_default=PLACE)]
Images = Annotated[int, Option(min=0, help="Test images on the page, at most; wrong and doubtful ones first.")]
Key = Annotated[Path | None, Option(help="Write a table from numbers to names and files; keep it with the images.")]


def report(runs: Runs, output: Output = None, images: Images = 2000, key: Key = None) -> None:
    """Write one self-contained page: a run, an ensemble, the folds of an experiment, or several experiments.

    It needs no network and no other file, and loads no model: pictures and heat maps are those that the runs or
    [bold]scripts/explain.py[/bold] left. Subjects and images have numbers in place of their names.
    """
    existing_predictions(runs)
    from karyocyte.workflows.report.page import write_report  # takes seconds: after the check

    write_report(runs, output, images, key)


app = program(
    report,
    "python scripts/report.py chromosomes/latest",
    "python scripts/report.py outputs/resnet50_cut_block5/subject-fold*/seed=0",
)

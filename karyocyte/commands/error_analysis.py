"""Where do several models err together, apart, and alone? The error analysis of paper 004 (3.4.1) for any runs."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_path

Runs = Annotated[
    list[Path],
    Argument(parser=run_path, metavar="RUN...", help="Run folders or predictions.parquet; folds are pooled."),
]
Output = Annotated[Path, Option(help="Folder of the tables and pictures; it must be empty or missing.")]


def errors(runs: Runs, output: Output) -> None:
    """Count the test images that exactly k of n models miss, and what each model alone gets right or wrong.

    Folds of one experiment are one model. [bold]missed_by_all.png[/bold] shows the images that all models miss, drawn
    from the runs' thumbnails.
    """
    from karyocyte.runs.arguments import new_folder
    from karyocyte.runs.run import open_runs

    new_folder(output)
    opened = open_runs(runs)
    # Only now: the imports of the analysis take seconds.
    from karyocyte.workflows.error_analysis import analyse_errors

    analyse_errors(opened, output)


app = program(
    errors,
    "python scripts/error_analysis.py vgg16_mnist anet_c6_mnist --output errors",
    "python scripts/error_analysis.py outputs/vgg16_*/*/seed=0 --output errors",
)

"""Let runs of older revisions tell images that are out of distribution: ``python scripts/out_of_distribution RUN``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.cli import TYPER, examples, heavy_imports, report_user_errors
from common.runs.names import run_path

Folders = Annotated[
    list[Path], typer.Argument(parser=run_path, metavar="RUN...", help="Folders or names of finished runs.")
]
DataDir = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Where the images of the runs are now.", show_default="as trained")
]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/out_of_distribution chromosomes_best/latest",
        "python scripts/out_of_distribution outputs/pbc/*/seed=0 --data-dir images",
    )
)
@report_user_errors()
def add(folders: Folders, data_dir: DataDir = None) -> None:
    """Describe the training images of runs, so that scripts/predict.py and karyotype.py know what is unlike them.

    A training does so at its end: this is for runs of older revisions. Each gets out_of_distribution.safetensors.
    """
    from common.runs.run import Run

    runs = [Run.open_finished(folder) for folder in folders]
    with heavy_imports():
        from lightning_modules.trainer import set_up_torch
        from workflows.prediction.out_of_distribution import add_distances
    set_up_torch()
    for run in runs:
        add_distances(run, data_dir)


if __name__ == "__main__":
    app()

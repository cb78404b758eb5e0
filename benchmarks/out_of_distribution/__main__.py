"""How well scores of being out of distribution tell other images: ``python -m benchmarks.out_of_distribution RUN``."""

from pathlib import Path
from typing import Annotated

import typer

from common.cli import TYPER, examples, report_user_errors
from common.errors import UserError
from common.runs.run import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")]
DataDir = Annotated[str | None, typer.Option(metavar="FOLDER", help="Where the images of the run are now.")]
Against = Annotated[list[str], typer.Option(metavar="NAME=FOLDER", help="Images of another kind or origin.")]
Inverted = Annotated[list[str], typer.Option(metavar="NAME=FOLDER", help="The same, light and dark exchanged.")]
Count = Annotated[int, typer.Option(help="Images of each set, at most.")]
Training = Annotated[int, typer.Option(help="Training images that the scores are fitted on, at most.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table, or replace the rows of this experiment in it.")]

app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m benchmarks.out_of_distribution RUN --against letters=mnist"))
@report_user_errors()
def measure(  # noqa: PLR0913 (the options)
    run: RunFolder,
    against: Against = [],  # noqa: B006 (typer copies it)
    inverted: Inverted = [],  # noqa: B006
    data_dir: DataDir = None,
    images: Count = 500,
    training: Training = 5000,
    csv: Csv = None,
) -> None:
    """AUROC of each score, of the test images of a run against other images.

    Rows of the part [bold]validation[/bold] are of validation images against changed copies of them (halved, doubled,
    blurred, shuffled): the score that is best there is the one in use. Rows of the part [bold]test[/bold] are of test
    images against those that are named, and against turned and inverted copies of them.
    """
    opened = Run.open_finished(run)
    folders = {}
    for text in [*against, *inverted]:
        name, _, folder = text.partition("=")
        if not Path(folder).is_dir():
            raise UserError(f"{text}: name a set and a folder, such as cells=DATA/pbc")
        folders[name] = Path(folder)
    from benchmarks.out_of_distribution.measure import measure_run, show_and_write
    from lightning_modules.trainer import set_up_torch

    set_up_torch()
    reversed_sets = {text.partition("=")[0] for text in inverted}
    show_and_write(measure_run(opened, data_dir, folders, reversed_sets, images, training), csv)


if __name__ == "__main__":
    app()

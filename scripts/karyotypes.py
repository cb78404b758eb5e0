"""Which abnormal cells are found: by counting single chromosomes, or by a network on their karyograms."""

import sys
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from scripts._options import Method, Sensitivity, Threshold, several

Counting = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Runs on single chromosomes, all folds: their cells are counted.")
]
Against = Annotated[
    list[Path] | None, typer.Option(metavar="RUN...", help="Runs on composed karyograms of the same cells, all folds.")
]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=several("--against"))
@report_user_errors()
def karyotypes(
    runs: Counting,
    against: Against = None,
    csv: Csv = None,
    threshold: Threshold = Method.YOUDEN,
    sensitivity: Sensitivity = 0.95,
) -> None:
    """Tabulate which real aneuploidies are found, with counts and exact intervals; derived abnormalities beside them.

    A network is judged at 0.5 and at each fold's own threshold, chosen on validation.

    [bold]python scripts/karyotypes.py outputs/chromosomes_best/subject-fold*/seed=0 --against
    outputs/karyogram_mobilenetv2_full/subject-fold*/seed=0[/bold]
    """
    # Imported here so that --help costs nothing.
    import pandas as pd

    from common.cli import console
    from common.config.schema import AssignmentConfig, EvaluationConfig
    from common.predictions import read_predictions
    from evaluation.cytogenetics.karyotypes import CAPTION, count_cells, counted, same_cells, seen, write_table
    from evaluation.terminal import frame_table

    ours = [read_predictions(run) for run in runs]
    theirs = [read_predictions(run) for run in against or []]
    cells = count_cells(ours, AssignmentConfig())
    if theirs:
        cells = same_cells(cells, theirs)
    ways = {"argmax": "counted one by one", "assigned": "counted, placed jointly"}
    tables = [counted(cells, way, method) for way, method in ways.items()]
    if theirs:
        settings = EvaluationConfig(threshold=threshold.value, sensitivity=sensitivity)
        tables.append(seen(theirs, settings, theirs[0].about["name"], cells))
    result = pd.concat(tables, ignore_index=True)
    console.print(frame_table(result, "which cells are called abnormal"), CAPTION, sep="\n")
    if csv:
        write_table(csv, result)


if __name__ == "__main__":
    app()

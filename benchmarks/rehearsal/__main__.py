"""A rehearsal at full size: drawn cells in the folders of C-NMC, what each step took, and made-up verdicts.

python -m benchmarks.rehearsal draw FOLDER
python scripts/reproduce.py 004 data_dir=FOLDER weights=random prepare.size=64 trainer.max_epochs=1
python -m benchmarks.rehearsal costs reproduction/004 --csv costs.csv
python -m benchmarks.rehearsal verdicts --csv verdicts.csv

``draw --share 0.25`` draws a quarter; ``costs`` of both reproductions shows which steps grow faster than the images.
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.rehearsal.cells import draw_cells
from benchmarks.rehearsal.costs import step_costs, with_growth
from benchmarks.rehearsal.made_up import made_up_verdicts
from common.cli import TYPER, examples, report_user_errors, say
from common.files import write_csv

app = typer.Typer(
    **TYPER,
    epilog=examples("python -m benchmarks.rehearsal draw new_folder --share 0.01"),
)
Folder = Annotated[Path, typer.Argument(help="A new folder.")]
Share = Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the published number of images.")]
Reproduction = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of reproduce.py.")]
Smaller = Annotated[
    Path | None, typer.Argument(exists=True, file_okay=False, help="One of fewer drawn cells, to compare with.")
]
Csv = Annotated[Path, typer.Option(help="The table.")]


@app.command(epilog=examples("python -m benchmarks.rehearsal draw new_folder --share 0.01"))
@report_user_errors()
def draw(folder: Folder, share: Share = 1.0) -> None:
    """Draw cells of 450 x 450 pixels into the folders of C-NMC's training set: 6.5 GB, minutes."""
    say(f"{draw_cells(folder, share):,} drawn cells in {folder}")


@app.command(epilog=examples("python -m benchmarks.rehearsal costs reproduction/004 --csv costs.csv"))
@report_user_errors()
def costs(reproduction: Reproduction, csv: Csv, smaller: Smaller = None) -> None:
    """Write what each step of a reproduction took, and its disk after each.

    With a smaller one also the ratios of CPU minutes and of images, and the exponent: 1 grows as the images do, 2 with
    their square. CPU minutes depend less than minutes on what else the machine does.
    """
    table = step_costs(reproduction)
    if smaller is not None:
        table = with_growth(table, reproduction, smaller)
    write_csv(csv, table.reset_index(), "%.2f")
    say(f"{len(table)} steps in {csv}")


@app.command(epilog=examples("python -m benchmarks.rehearsal verdicts --csv verdicts.csv"))
@report_user_errors()
def verdicts(csv: Csv) -> None:
    """Write the verdicts on all printed figures from made-up runs of the papers' sizes: a test of the comparison alone.

    Predictions are made up so that the share of right ones is each experiment's main figure as printed
    ([bold]same[/bold]), and 20 points more ([bold]better[/bold], at most 1) or less ([bold]worse[/bold]).
    """
    table = made_up_verdicts()
    write_csv(csv, table, "%.4f")
    say(f"{len(table)} printed figures in {csv}")


if __name__ == "__main__":
    app()

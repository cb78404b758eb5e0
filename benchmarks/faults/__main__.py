"""SIGKILL at random moments of six commands, and the memory of predictions by the size of the folder.

python -m benchmarks.faults kills FOLDER --csv results/faults.csv
python -m benchmarks.faults memory FOLDER --csv results/folder_memory.csv
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.faults.children import run_in_child
from benchmarks.faults.inputs import Inputs, call_app, make_inputs
from benchmarks.shared import show, write
from common.arguments import new_folder
from common.cli import TYPER, examples, heavy_imports, report_user_errors
from common.revision import revision

app = typer.Typer(
    **TYPER,
    epilog=examples("python -m benchmarks.faults kills new_folder --csv results/faults.csv"),
)
Folder = Annotated[Path, typer.Argument(help="A new folder for images, runs and outputs.")]
Csv = Annotated[Path | None, typer.Option(help="The table.")]
Kills = Annotated[int, typer.Option(min=1, help="Of each command.")]
Seed = Annotated[int, typer.Option(help="Of the moments.")]
Only = Annotated[str, typer.Option(help="Commands, joined by commas.")]
Files = Annotated[str, typer.Option(help="Numbers of files, joined by commas.")]

ALL = "prepare,train,predict,karyotype,export,review"
IMAGES = 400  # of predict: seven parts


@app.command(epilog=examples("python -m benchmarks.faults kills new_folder --csv results/faults.csv"))
@report_user_errors()
def kills(folder: Folder, csv: Csv = None, kills: Kills = 200, seed: Seed = 0, only: Only = ALL) -> None:
    """Kill commands at random moments; check that all files are whole, and that the same command goes on."""
    new_folder(folder, "FOLDER")
    _import_all()
    from benchmarks.faults.commands import commands
    from benchmarks.faults.kills import Outcome, as_table, kill_command
    from benchmarks.faults.review import kill_review

    inputs = make_inputs(folder / "inputs", IMAGES)
    random = np.random.default_rng(seed)
    outcomes: list[Outcome] = []
    chosen = only.split(",")
    if "review" in chosen:
        outcomes.append(kill_review(_karyotypes(inputs, folder), folder / "review", kills, random))
    for command in commands(inputs):
        if command.name in chosen:
            outcomes.append(kill_command(command, folder / command.name, kills, random))
            write(as_table(outcomes), csv)  # what is done so far, too
    table = as_table(outcomes)
    write(table, csv)
    show(table, "SIGKILL at random moments", list(table.columns))


@app.command(epilog=examples("python -m benchmarks.faults memory new_folder --csv results/folder_memory.csv"))
@report_user_errors()
def memory(folder: Folder, csv: Csv = None, files: Files = "2000,50000") -> None:
    """Measure the peak memory of predictions by the number of files in the folder."""
    new_folder(folder, "FOLDER")
    _import_all()
    from benchmarks.faults.memory import memory_by_files

    table = memory_by_files(make_inputs(folder / "inputs", 1), folder, [int(count) for count in files.split(",")])
    write(table, csv)
    show(table, "peak memory of scripts/predict.py", list(table.columns))


def _import_all() -> None:
    """Import what the commands import, so that a child starts at once; nothing is computed before the fork."""
    with heavy_imports():
        import torch

        import workflows.karyotyping.run
        import workflows.portable.export
        import workflows.predict
        import workflows.prediction.runs
        import workflows.prepare_data
        import workflows.train  # noqa: F401
    torch.set_num_threads(1)
    revision()  # looked up once, by processes of git


def _karyotypes(inputs: Inputs, folder: Path) -> Path:
    """Return an output of scripts/karyotype.py."""
    from scripts.karyotype import app as karyotype

    output = folder / "karyotypes"
    run_in_child(
        lambda: call_app(karyotype, inputs.chromosome_run, inputs.cells, "--output", output), folder / "inputs.log"
    )
    return output


if __name__ == "__main__":
    app()

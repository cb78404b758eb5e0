"""Plan a sweep: how long it takes on GPUs that are not at hand."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.cli import report_user_errors

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(help="A sweep of conf/sweep/.")]
Experiments = Annotated[list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="Of conf/experiment/.")]
AllImages = Annotated[int, typer.Option(min=10, help="Images of the data set.")]
Folds = Annotated[int, typer.Option(min=3, help="Of which one tests and one validates; each is a job.")]
Seeds = Annotated[int, typer.Option(min=1, help="Each is a job of every fold.")]
Gpus = Annotated[list[int], typer.Option(min=1, help="How many GPUs; repeatable. A job takes one.")]
Peak = Annotated[float, typer.Option(min=0.01, help="The vendor's TFLOP/s of one GPU in the training's precision.")]
Share = Annotated[float, typer.Option(min=0.001, max=1.0, help="The share of it that a network reaches.")]
Microseconds = Annotated[float, typer.Option(min=0.0, help="That starting one operator takes.")]
Milliseconds = Annotated[float, typer.Option(min=0.0, help="That train.py adds to a batch; see results/overhead.csv.")]
Loaders = Annotated[int, typer.Option(min=1, help="Cores that load for one GPU.")]
Startup = Annotated[float, typer.Option(min=0.0, help="Seconds of a job before its first batch and after its last.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]


@app.callback()
def plans() -> None:
    """Plan a sweep: how long it takes on GPUs that are not at hand. Arithmetic, no measurement."""


@app.command()
@report_user_errors()
def sweep(
    name: Name = "cnmc_grid",
    images: AllImages = 10_661,
    folds: Folds = 5,
    seeds: Seeds = 3,
    gpus: Gpus = [1, 32],  # noqa: B006 (typer takes no tuple)
    peak_tflops: Peak = 494.5,
    utilisation: Share = 0.15,
    operator_us: Microseconds = 20.0,
    step_ms: Milliseconds = 2.0,
    loaders: Loaders = 3,
    startup_s: Startup = 20.0,
    csv: Csv = None,
) -> None:
    """Count the operations of every network and stage, take the slowest of three bounds, and pack the jobs on GPUs.

    The bounds are the GPU's arithmetic, the starting of operators one after another, and the loading of the images,
    whose speed per core is measured here. A job lasts between its earliest stop and all of its epochs.

    By itself: one H100 in TF32, which is what train.py computes convolutions in there (NVIDIA: 494.5 TFLOP/s dense,
    989 in bf16), of which 15 % are reached, as NVIDIA's own ResNet-50 reaches of an A100 (938 images per second).

    [bold]python -m benchmarks.planning sweep cnmc_grid --csv results/plan_cnmc_grid.csv[/bold]
    """
    from rich.console import Console

    from benchmarks.planning.sweep import Images, Machine, examine, experiments_of, plan_sweep, rates
    from common.errors import UserError
    from lightning_modules.stages.fit import set_up_torch

    if images < folds:
        raise UserError(f"--images {images} cannot be parted into {folds} folds: say more images, or fewer --folds")
    set_up_torch()
    machine = Machine(peak_tflops, utilisation, operator_us, step_ms, loaders, startup_s)
    part = images // folds
    console = Console()
    rate = rates()
    fold = Images(images - 2 * part, part, part)
    with console.status("counting ..."):
        examined = [examine(experiment, rate) for experiment in experiments_of(name)]
    found = plan_sweep(examined, fold, machine, folds * seeds, gpus)
    _show(found, ["experiment", "speed", "gpus", "bound_by", "hours_least", "hours_most"])
    console.print("hours of one job, and of all of them: arithmetic, no measurement")
    _write(csv, found)


@app.command()
@report_user_errors()
def check(experiments: Experiments = None, csv: Csv = None) -> None:
    """Compare such arithmetic with real training steps on one core of this machine.

    [bold]python -m benchmarks.planning check --csv results/plan_check.csv[/bold]
    """
    import pandas as pd

    from benchmarks.planning.check import check_on_cpu
    from common.errors import UserError
    from common.paths import ROOT
    from lightning_modules.stages.fit import set_up_torch

    chosen = experiments or ["vgg16_cut_block5", "resnet50_cut_block5", "mobilenetv2_cut"]
    for name in chosen:
        if not (ROOT / "conf" / "experiment" / f"{name}.yaml").is_file():
            raise UserError(f"no experiment is called {name}: conf/experiment/ holds those that there are")
    set_up_torch()
    found = pd.DataFrame([check_on_cpu(name) for name in chosen])
    _show(found, ["experiment", "gflops_step", "predicted_s", "measured_s", "measured_over_predicted"])
    _write(csv, found)


def _show(found: "pd.DataFrame", columns: list[str]) -> None:
    from rich.console import Console

    from evaluation.terminal import frame_table

    Console().print(frame_table(found[columns], "plan"))


def _write(csv: Path | None, found: "pd.DataFrame") -> None:
    from common.files import write_csv
    from common.revision import revision

    if csv:
        write_csv(csv, found.assign(revision=revision()).round(4))


if __name__ == "__main__":
    app()

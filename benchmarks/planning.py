"""How long a sweep takes on GPUs that are not at hand: arithmetic from operations and stated assumptions."""

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pandas as pd
import typer
import yaml

from benchmarks.shared import show, write
from common.cli import TYPER, examples, report_user_errors
from common.errors import UserError
from common.paths import ROOT

if TYPE_CHECKING:
    from benchmarks.networks.flops import Cost, StageCost

SPEEDS = (1.0, 0.5, 2.0)
CHECKED = ["vgg16_cut_block5", "resnet50_cut_block5", "mobilenetv2_cut"]

Name = Annotated[str, typer.Argument(help="A sweep of conf/sweep/.")]
Experiments = Annotated[list[str] | None, typer.Argument(metavar="[EXPERIMENT]...", help="Of conf/experiment/.")]
AllImages = Annotated[int, typer.Option(min=10, help="Images of the data set.")]
Folds = Annotated[int, typer.Option(min=3, help="Of which one tests and one validates; each is a job.")]
Seeds = Annotated[int, typer.Option(min=1, help="Each is a job of every fold.")]
Gpus = Annotated[list[int], typer.Option(min=1, help="Number of GPUs; repeatable. A job takes one.")]
Assume = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Another assumption, such as utilisation=0.3; repeatable.")
]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]

app = typer.Typer(
    **TYPER,
    epilog=examples("python -m benchmarks.planning sweep cnmc_grid"),
)


class Machine(NamedTuple):
    """Assumptions on one GPU: by default an H100 in TF32, as train.py computes convolutions there.

    NVIDIA: 494.5 TFLOP/s dense, of which 15 % are reached, as its own ResNet-50 reaches of an A100 (938 images per s).

    Attributes:
        peak_tflops: The vendor's figure for dense matrices in the precision of the training, TFLOP/s.
        utilisation: The share of it that the operations of a network reach, where they are what counts.
        operator_us: Microseconds that starting an operator takes; they are started one after another.
        step_ms: Milliseconds that train.py adds to every batch; see results/overhead.csv.
        startup_s: Seconds of a job before its first batch, and after its last.
    """

    peak_tflops: float = 494.5
    utilisation: float = 0.15
    operator_us: float = 20.0
    step_ms: float = 2.0
    startup_s: float = 20.0

    def faster(self, factor: float) -> "Machine":
        """Return the same machine with all but the start so many times as fast."""
        peak_tflops, utilisation, operator_us, step_ms, startup_s = self
        return Machine(peak_tflops * factor, utilisation, operator_us / factor, step_ms / factor, startup_s)

    def seconds(self, cost: "Cost", batch: int) -> tuple[float, str]:
        """Return the seconds of one image, and which of the two bounds is the slower one."""
        operations = cost.flops / (self.peak_tflops * 1e12 * self.utilisation)
        operators = (cost.operators * self.operator_us * 1e-6 + self.step_ms * 1e-3) / batch
        return max((operations, "operations"), (operators, "operators"))


class Images(NamedTuple):
    """Number of images of each part of one fold."""

    train: int
    validation: int
    test: int


class Experiment(NamedTuple):
    """An experiment of conf/experiment/ before it runs: size of its images, batch, and cost of each stage."""

    name: str
    size: str
    batch: int
    stages: "tuple[StageCost, ...]"


def plan_experiment(experiment: Experiment, images: Images, machine: Machine) -> dict[str, Any]:
    """Return one row: the cost of one job of an experiment, and its hours, at least and at most.

    At least: every stage stops as early as its patience allows; at most: it trains all of its epochs.
    """
    stages = experiment.stages
    per_image, _ = machine.seconds(stages[-1].forward, experiment.batch)
    least = machine.startup_s + (images.validation + images.test) * per_image
    most = least
    by_bound = {"operations": 0.0, "operators": 0.0}
    for stage in stages:
        for cost, count in ((stage.training, images.train), (stage.forward, images.validation)):
            per_image, bound = machine.seconds(cost, experiment.batch)
            by_bound[bound] += stage.epochs_most * count * per_image
            least += stage.epochs_least * count * per_image
            most += stage.epochs_most * count * per_image
    epochs = sum(stage.epochs_most for stage in stages)
    trained = sum(stage.training.flops * stage.epochs_most for stage in stages) / epochs
    return {
        "experiment": experiment.name,
        "size": experiment.size,
        "stages": ", ".join(f"{stage.name} {stage.epochs_most}" for stage in stages),
        "gflops_forward": stages[-1].forward.flops / 1e9,
        "gflops_training": trained / 1e9,
        "operators_of_a_step": max(stage.training.operators for stage in stages),
        "images_least": images.train * sum(stage.epochs_least for stage in stages),
        "images_most": images.train * epochs,
        "bound_by": max(by_bound, key=lambda bound: by_bound[bound]),
        "hours_least": least / 3600,
        "hours_most": most / 3600,
    }


def plan_sweep(
    experiments: Sequence[Experiment], images: Images, machine: Machine, jobs: int, gpus: Sequence[int]
) -> pd.DataFrame:
    """Return the table of a sweep: a row per experiment, then all jobs on each number of GPUs.

    ``jobs`` are those of each experiment: folds times seeds. The totals are repeated for a machine that is half as
    fast as assumed, and for one twice as fast.
    """
    tables = []
    for speed in SPEEDS:
        plans = [plan_experiment(experiment, images, machine.faster(speed)) for experiment in experiments]
        planned = pd.DataFrame(plans).assign(speed=speed, jobs=jobs, gpus=1)
        totals = pd.DataFrame({"experiment": "all", "speed": speed, "jobs": jobs * len(experiments), "gpus": gpus})
        for bound in ("least", "most"):
            hours = planned[f"hours_{bound}"]
            planned[f"gpu_hours_{bound}"] = jobs * hours
            totals[f"hours_{bound}"] = [makespan([*hours] * jobs, count) for count in gpus]
            totals[f"gpu_hours_{bound}"] = jobs * hours.sum()
        if speed == 1:
            tables.append(planned)
        tables.append(totals)
    return pd.concat(tables, ignore_index=True).assign(**machine._asdict())


def makespan(hours: Sequence[float], gpus: int) -> float:
    """Return when the last of the jobs ends, each on one GPU: a list schedule, the longest job first."""
    free = [0.0] * gpus
    for job in sorted(hours, reverse=True):
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def experiments_of(sweep: str) -> list[str]:
    """Return the experiments of ``conf/sweep/<sweep>.yaml``.

    Raises:
        UserError: There is no such sweep, or it names no experiments.
    """
    path = ROOT / "conf" / "sweep" / f"{sweep}.yaml"
    if not path.is_file():
        names = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise UserError(f"no sweep is called {sweep}: there are {', '.join(names)}")
    params = yaml.safe_load(path.read_text())["hydra"]["sweeper"]["params"]
    if "+experiment" not in params:
        raise UserError(f"sweep {sweep} names no experiments of its own: plan one of those that do, such as cnmc_grid")
    return [name.strip() for name in params["+experiment"].split(",")]


def machine_with(assumptions: Sequence[str]) -> Machine:
    """Return the machine with some assumptions changed, such as "utilisation=0.3".

    Raises:
        UserError: A key is unknown, or a value is no positive number.
    """
    values = {}
    keys = Machine._fields
    for assumption in assumptions:
        key, _, value = assumption.partition("=")
        if key not in keys:
            raise UserError(f"--assume {assumption}: the assumptions are {', '.join(keys)}")
        values[key] = pd.to_numeric(value, errors="coerce")
        if not values[key] > 0:
            raise UserError(f"--assume {assumption}: must be a number above 0")
    return Machine(**values)


@app.callback()
def planning() -> None:
    """Plan a sweep: how long it takes on GPUs that are not at hand. Arithmetic, no measurement."""


@app.command(epilog=examples("python -m benchmarks.planning sweep cnmc_grid"))
@report_user_errors()
def sweep(  # noqa: PLR0913 - the options of a command line
    name: Name = "cnmc_grid",
    images: AllImages = 10_661,
    folds: Folds = 5,
    seeds: Seeds = 3,
    gpus: Gpus = [1, 32],  # noqa: B006 (typer takes no tuple)
    assume: Assume = None,
    csv: Csv = None,
) -> None:
    """Count the operations of every network and stage, take the slower of two bounds, and pack the jobs on GPUs.

    The bounds are the GPU's arithmetic and the starting of operators one after another. A job lasts between its
    earliest stop and all of its epochs.
    """
    if images < folds:
        raise UserError(f"--images {images} cannot be parted into {folds} folds: say more images, or fewer --folds")
    machine = machine_with(assume or [])
    names = experiments_of(name)
    from benchmarks.networks.flops import stage_costs
    from common.config.compose import compose_config

    part = images // folds
    experiments = []
    for experiment in names:
        config = compose_config([f"+experiment={experiment}", "weights=random"])
        costs = tuple(stage_costs(config))
        experiments.append(Experiment(experiment, str(config.prepare.size), config.loader.batch_size, costs))
    table = plan_sweep(experiments, Images(images - 2 * part, part, part), machine, folds * seeds, gpus)
    show(table, name, ("experiment", "speed", "gpus", "bound_by", "hours_least", "hours_most"))
    write(table, csv)


@app.command(epilog=examples("python -m benchmarks.planning check --csv results/plan_check.csv"))
@report_user_errors()
def check(experiments: Experiments = None, csv: Csv = None) -> None:
    """Compare such arithmetic with real training steps on one core of this machine."""
    for name in experiments or CHECKED:
        if not (ROOT / "conf" / "experiment" / f"{name}.yaml").is_file():
            raise UserError(f"no experiment is called {name}: conf/experiment/ holds those that there are")
    from benchmarks.networks.flops import check_on_cpu

    table = pd.DataFrame([check_on_cpu(name) for name in experiments or CHECKED])
    show(table, "check", ("experiment", "gflops_step", "predicted_s", "measured_s", "measured_over_predicted"))
    write(table, csv)


if __name__ == "__main__":
    app()

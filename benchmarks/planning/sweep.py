"""How long a sweep takes on GPUs that are not at hand: arithmetic from operations, images and stated assumptions."""

import heapq
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import pandas as pd
import torch
import yaml

from benchmarks.planning.flops import Cost, StageCost, composed, stage_costs
from common.config.schema import Config
from common.errors import UserError
from common.paths import ROOT
from datamodules.image_datamodule import ImageDataModule

SPEEDS = (1.0, 0.5, 2.0)
# A drawn data set of a size that needs no patience; what is measured on it does not depend on what is drawn.
DRAWN = ("data=synthetic", "data.images=80", "data.subjects=20", "split.near_duplicates=off", "loader.workers=0")


@dataclass(frozen=True)
class Machine:
    """What is assumed of one GPU and of what feeds it.

    Attributes:
        peak_tflops: The vendor's figure for dense matrices in the precision of the training, TFLOP/s.
        utilisation: Which share of it the operations of a network reach, where they are what counts.
        operator_us: Microseconds that starting an operator takes; they are started one after another.
        step_ms: Milliseconds that train.py adds to every batch.
        loaders: Cores that read and augment the images.
        startup_s: Seconds of a job before its first batch, and after its last.
    """

    peak_tflops: float
    utilisation: float
    operator_us: float
    step_ms: float
    loaders: int
    startup_s: float

    def faster(self, speed: float) -> "Machine":
        """The same with all but the start so many times as fast."""
        times = {name: getattr(self, name) / speed for name in ("operator_us", "step_ms")}
        return replace(self, peak_tflops=self.peak_tflops * speed, **times)


@dataclass(frozen=True)
class Images:
    """How many images each part has; a fold of five leaves 60, 20 and 20 %."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Experiment:
    """What is known of an experiment before it runs.

    Attributes:
        name: Of conf/experiment/.
        size: Of its images, pixels.
        batch: Images of a batch.
        stages: What each of its stages asks for.
        per_core: Training images that one core loads in a second of CPU time.
    """

    name: str
    size: str
    batch: int
    stages: tuple[StageCost, ...]
    per_core: float


def experiments_of(sweep: str) -> list[str]:
    """Return the experiments of ``conf/sweep/<sweep>.yaml``.

    Raises:
        UserError: There is no such sweep, or it names no experiments.
    """
    folder = ROOT / "conf" / "sweep"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if sweep not in names:
        raise UserError(f"no sweep is called {sweep}: there are {', '.join(names)}")
    params = yaml.safe_load((folder / f"{sweep}.yaml").read_text())["hydra"]["sweeper"]["params"]
    if "+experiment" not in params:
        raise UserError(f"sweep {sweep} names no experiments of its own: plan one of those that do, such as cnmc_grid")
    return [name.strip() for name in params["+experiment"].split(",")]


def makespan(hours: Sequence[float], gpus: int) -> float:
    """Return when the last of the jobs ends, each on one GPU: a list schedule, the longest job first."""
    free = [0.0] * gpus
    for job in sorted(hours, reverse=True):
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def loading_rate(config: Config, epochs: int = 3) -> float:
    """Return how many training images one core reads from the prepared cache and augments, per second of CPU time.

    Args:
        config: Of a drawn data set (`DRAWN`), with the sizes and the augmentation of the experiment.
        epochs: Over how many passes this is measured; one before them is not counted.
    """
    data = ImageDataModule.from_config(config, progress=False)
    data.setup()
    loader = data.train_dataloader()
    threads = torch.get_num_threads()
    cv2_threads = cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        spent = []
        for _ in range(epochs + 1):
            start = time.process_time()
            images = sum(len(label) for _, label, _ in loader)
            spent.append(time.process_time() - start)
        return epochs * images / sum(spent[1:])
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv2_threads)


def examine(name: str, rate: Callable[[str], float]) -> Experiment:
    """Count and measure what an experiment asks for.

    Args:
        name: Of conf/experiment/.
        rate: Training images per second and core of an experiment, see :func:`loading_rate`.
    """
    config = composed(f"+experiment={name}")
    return Experiment(name, str(config.prepare.size), config.loader.batch_size, tuple(stage_costs(config)), rate(name))


def plan_experiment(experiment: Experiment, images: Images, machine: Machine) -> dict[str, Any]:
    """Return one row: what one job of an experiment asks for, and its hours, at least and at most.

    At least: every stage stops as early as its patience allows; at most: it trains all of its epochs.

    Args:
        experiment: What was examined.
        images: Of one fold.
        machine: What is assumed.
    """
    stages = experiment.stages
    least, most = (list(_times(experiment, f"epochs_{bound}", images, machine)) for bound in ("least", "most"))
    hours = [(machine.startup_s + sum(seconds for _, seconds in times)) / 3600 for times in (least, most)]
    spent = {bound: sum(seconds for by, seconds in most if by == bound) for bound, _ in most}
    epochs = [stage.epochs_most for stage in stages]
    trained = sum(stage.training.flops * count for stage, count in zip(stages, epochs, strict=True)) / sum(epochs)
    return {
        "experiment": experiment.name,
        "size": experiment.size,
        "stages": ", ".join(f"{stage.name} {stage.epochs_most}" for stage in stages),
        "gflops_forward": stages[-1].forward.flops / 1e9,
        "gflops_training": trained / 1e9,
        "operators_of_a_step": max(stage.training.operators for stage in stages),
        "images_per_core_s": experiment.per_core,
        "images_least": images.train * sum(stage.epochs_least for stage in stages),
        "images_most": images.train * sum(epochs),
        "bound_by": max(spent, key=spent.__getitem__),
        "hours_least": hours[0],
        "hours_most": hours[1],
    }


def plan_sweep(
    experiments: Sequence[Experiment], images: Images, machine: Machine, jobs: int, gpus: Sequence[int]
) -> pd.DataFrame:
    """Return the table of a sweep: a row per experiment, then all jobs on each number of GPUs.

    These totals stand there once more for a machine that is half as fast as assumed, and for one twice as fast.

    Args:
        experiments: What was examined.
        images: Of one fold.
        machine: What is assumed; stands in every row.
        jobs: Jobs of each experiment: folds times seeds.
        gpus: Numbers of GPUs.
    """
    rows = [{**plan_experiment(each, images, machine), "speed": 1.0, "jobs": jobs, "gpus": 1} for each in experiments]
    for row in rows:
        row |= {f"gpu_hours_{bound}": jobs * row[f"hours_{bound}"] for bound in ("least", "most")}
    for speed in SPEEDS:
        planned = [plan_experiment(each, images, machine.faster(speed)) for each in experiments]
        for count in gpus:
            total = {"experiment": "all", "speed": speed, "jobs": jobs * len(experiments), "gpus": count}
            for bound in ("least", "most"):
                each = [row[f"hours_{bound}"] for row in planned for _ in range(jobs)]
                total |= {f"hours_{bound}": makespan(each, count), f"gpu_hours_{bound}": sum(each)}
            rows.append(total)
    return pd.DataFrame(rows).assign(**asdict(machine))


def rates() -> Callable[[str], float]:
    """Return the function that measures an experiment's loading rate, once for each size and augmentation."""
    known: dict[str, float] = {}

    def rate(name: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            places = [f"cache_dir={folder}", f"output_dir={folder}"]
            config = composed(f"+experiment={name}", *DRAWN, *places)
            key = f"{config.prepare} {config.transform}"
            if key not in known:
                known[key] = loading_rate(config)
        return known[key]

    return rate


def _times(experiment: Experiment, epochs: str, images: Images, machine: Machine) -> Iterator[tuple[str, float]]:
    """What each pass over the images is bound by, and its seconds."""
    for stage in experiment.stages:
        for cost, count in ((stage.training, images.train), (stage.forward, images.validation)):
            by, seconds = _slowest(cost, experiment, machine)
            yield by, getattr(stage, epochs) * count * seconds
    by, seconds = _slowest(experiment.stages[-1].forward, experiment, machine)
    yield by, (images.validation + images.test) * seconds


def _slowest(cost: Cost, experiment: Experiment, machine: Machine) -> tuple[str, float]:
    """What takes the longest of one image, and how long."""
    bounds = {
        "operations": cost.flops / (machine.peak_tflops * 1e12 * machine.utilisation),
        "operators": (cost.operators * machine.operator_us * 1e-6 + machine.step_ms * 1e-3) / experiment.batch,
        "loading": 1 / (machine.loaders * experiment.per_core),
    }
    by = max(bounds, key=bounds.__getitem__)
    return by, bounds[by]

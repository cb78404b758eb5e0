"""What a reproduction needs and may lack, told before its first step: images, weights, failing runs, time and disk."""

import shutil
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.config.rules import DRAWN
from common.config.schema import Config
from common.errors import UserError
from common.text import counted
from datamodules.sources import list_images
from datamodules.sources.cifar10 import BATCHES
from datamodules.sources.mnist import find_files
from evaluation.comparison.claims import read_table
from workflows.papers.claims import printed_claims
from workflows.papers.plan import LINE, RESULTS, Plan

GPUS = ("gpu", "cuda", "mps")
NO_SUBJECT = "no subject is known: set data.subject_regex"
SIDE = 1000  # of the matrices whose product measures this machine


@dataclass(frozen=True)
class Job:
    """An experiment on a split, with what is found of its images and weights.

    ``images`` has a row each; None where listing them would unpack, draw or write them. ``weights`` is what is to be
    said of them, an error where they cannot be had.
    """

    split: str
    config: Config
    images: pd.DataFrame | None
    weights: str | UserError

    @property
    def expected(self) -> int | None:
        """The images of this source that the paper had before it made copies of them; None where it names none."""
        data = read_table(RESULTS, "data")
        source = "cnmc" if self.config.data.source == "hem_all" else self.config.data.source
        totals = data.loc[data["dataset"] == source, "total"]
        return None if totals.empty else int(totals.astype(int).min())

    @property
    def count(self) -> float:
        """The images; NaN where they are not known yet, such as karyograms that are yet to be composed."""
        if self.images is None or hasattr(self.config.data, "chromosomes"):
            return np.nan
        return len(self.images)

    @property
    def fault(self) -> str:
        """Why the run will fail, as far as it is known beforehand, or ""."""
        if isinstance(self.weights, UserError):
            return str(self.weights)
        unknown = self.images is not None and self.images["subject"].isna().all()
        return NO_SUBJECT if unknown and self.config.protocol == "subject" else ""


def report(plan: Plan, configs: Mapping[str, Sequence[Config]]) -> None:
    """Print what the jobs of a plan need and lack; ``configs`` are their configurations by the name of the split.

    A ``UserError`` refuses a folder that does not hold the data of its source.
    """
    jobs = list(_jobs(configs))
    lines = dict.fromkeys(chain(map(_image_line, jobs), map(_weight_line, jobs), _failure_lines(plan, jobs)))
    lines |= dict.fromkeys([_time_line(plan, jobs), _disk_line(jobs)])
    wrapped = [textwrap.wrap(line, LINE - 2, subsequent_indent="  ", break_long_words=False) for line in lines]
    say(f"paper {plan.paper}: before it starts", *chain.from_iterable(wrapped))


def _jobs(configs: Mapping[str, Sequence[Config]]) -> Iterator[Job]:
    listed: dict[str, pd.DataFrame | None] = {}
    found: dict[str, str | UserError] = {}
    for split, of_split in configs.items():
        for config in of_split:
            data = f"{config.data!r} {config.data_dir}"
            if data not in listed:
                listed[data] = _list(config)
            weights = f"{config.weights} {config.model!r}"
            if weights not in found:
                found[weights] = _find_weights(config)
            yield Job(split, config, listed[data], found[weights])


def _list(config: Config) -> pd.DataFrame | None:
    data = getattr(config.data, "chromosomes", config.data)  # of which karyograms are composed
    folder = Path(str(config.data_dir)).expanduser()
    if data.source.startswith(DRAWN) or folder.is_file() or getattr(data, "download", False):
        return None
    if data.source == "mnist":
        find_files(folder)
        return None
    if data.source == "cifar10" and any(folder.glob(f"**/{BATCHES}")):
        return None
    return list_images(data, str(folder), Path(config.cache_dir), progress=False).frame


def _find_weights(config: Config) -> str | UserError:
    if config.weights == "random":
        return "none needed"
    from lightning_modules.backbones.local_weights import WeightsFolders  # with torch: seconds
    from lightning_modules.backbones.pretrained import download_size, weights_at_hand

    try:
        path = weights_at_hand(config.model, config.weights, WeightsFolders.of(config.weights_dir, config.cache_dir))
    except UserError as error:
        return error
    if path is not None:
        return f"at hand, {path.name}"
    size = download_size(config.model, config.weights)
    return f"to be downloaded, {size / 1e6:.0f} MB" if size else "to be downloaded, of unknown size"


def _image_line(job: Job) -> str:
    line = f"images: {job.config.data.source} in {job.config.data_dir}: "
    if job.images is None:
        return line + "counted once they are unpacked or written"
    if job.expected is None:
        return line + f"{len(job.images):,} {'chromosomes' if np.isnan(job.count) else 'images'} found"
    few = "; the paper's figures are not comparable with fewer" * (len(job.images) < job.expected)
    return line + f"{len(job.images):,} of {job.expected:,} found{few}"


def _weight_line(job: Job) -> str:
    said = "cannot be had" if isinstance(job.weights, UserError) else job.weights
    return f"weights: {job.config.model.name}, {job.config.weights}: {said}"


def _failure_lines(plan: Plan, jobs: Sequence[Job]) -> list[str]:
    failing: dict[str, list[str]] = {}
    for job in jobs:
        if job.fault:
            failing.setdefault(f"{job.split} split: {job.fault}", []).append(job.config.name)
    lines = [f"will fail: {', '.join(names)}, {fault}" for fault, names in failing.items()]
    fit = set(plan.experiments).difference(*failing.values())
    for row in plan.ensembles.to_dict("records"):
        lacking = [name for name in row["members"].split() if name not in fit]
        if lacking:
            lines.append(f"left out: {row['experiment']}, for want of {', '.join(lacking)}")
    return lines


def _time_line(plan: Plan, jobs: Sequence[Job]) -> str:
    on_gpu = any(job.config.trainer.accelerator in GPUS for job in jobs) or shutil.which("nvidia-smi")
    if on_gpu or any("cluster=" in word for word in plan.words):
        return "time: unknown, nothing was measured on a GPU or cluster like this one"
    operations = _operations(plan, jobs)
    unknown = sorted(operations.index[operations.isna()].unique())
    if len(unknown) == operations.index.nunique():
        return "time: unknown, there is no basis for an estimate with these data"
    ratios = pd.read_csv(RESULTS / "plan_check.csv")["measured_over_predicted"]
    speed = _measure_speed()
    low, high = (_duration(operations.sum() / speed * ratio) for ratio in (ratios.min(), ratios.max()))
    without = f", without {', '.join(unknown)}" if unknown else ""
    return (
        f"time: {low} to {high} of training at most{without} (an estimate: all epochs, operations per image of "
        f"results/plan/ and plan_cnmc_grid.csv, {speed:.0f} GFLOP/s measured here now; real steps took "
        f"{ratios.min():.1f} to {ratios.max():.1f} times as long, results/plan_check.csv); start-up and evaluation "
        "come on top"
    )


def _operations(plan: Plan, jobs: Sequence[Job]) -> pd.Series:
    """Return the GFLOP of all epochs of the runs of each job, by experiment; NaN where they are not known."""
    files = (RESULTS / "plan_cnmc_grid.csv", *sorted((RESULTS / "plan").glob("*.csv")))
    planned = pd.concat(map(pd.read_csv, files)).drop_duplicates("experiment").set_index("experiment")
    per_pixel = planned["gflops_training"] / planned["size"] ** 2
    trained = {claim.experiment: claim.data.train for claim in printed_claims(RESULTS, (plan.paper,))}
    runs = {split.name: len(plan.seeds) * len(split.folds) for split in plan.splits}
    operations = []
    for job in jobs:
        config = job.config
        images = trained[config.name] * job.count / (job.expected or np.nan)
        seen = 0.0
        for stage in config.unfreeze.stages.values():
            epochs = min(stage.max_epochs or np.inf, config.trainer.max_epochs)
            seen += min(epochs * images, config.trainer.max_images or np.inf)
        operations.append(runs[job.split] * seen * np.prod(config.prepare.shape) * per_pixel.get(config.name, np.nan))
    return pd.Series(operations, [job.config.name for job in jobs], dtype=float)


def _measure_speed() -> float:
    """Return how many GFLOP of a matrix product this machine computes in a second."""
    matrix = np.ones((SIDE, SIDE), np.float32)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2e-9 * SIDE**3 / min(seconds)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds > 7200 else f"{max(seconds / 60, 1):.0f} minutes"


def _disk_line(jobs: Sequence[Job]) -> str:
    prepared = {}
    for job in jobs:
        key = f"{job.config.data_dir} {job.config.data!r} {job.config.prepare!r}"
        prepared[key] = job.count * np.prod(job.config.prepare.stored_shape) * 3
    total = sum(prepared.values())
    said = "of unknown size" if np.isnan(total) else f"{total / 1e9:.2f} GB (an estimate: pixels x 3 bytes)"
    cache = Path(jobs[0].config.cache_dir).expanduser().absolute()
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.parents) if folder.exists())).free / 1e9
    return (
        f"disk: {counted(len(prepared), 'set')} of prepared images, {said}; checkpoints not counted; {free:.0f} GB free"
    )

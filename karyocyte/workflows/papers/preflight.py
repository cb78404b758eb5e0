"""What a reproduction needs and may lack, told before its first step: images, weights, failures, training and disk."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, prod
from pathlib import Path

import pandas as pd

from datamodules.sources import SourceContext, list_source
from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
from karyocyte.config.schema import Config
from karyocyte.workflows.papers.claims import RESULTS, PaperData, read_data
from karyocyte.workflows.papers.plan import LINE, ReproductionPlan

NO_SUBJECT = "no subject is known: set data.subject_regex"


@dataclass(frozen=True)
class PlannedJob:
    """An experiment on a split, with how many images are found, and what is to be said of its weights.

    ``images`` is NaN where counting them would unpack, draw or write them; ``fault`` is why the run will fail, or "".
    """

    split: str
    config: Config
    images: float
    weights: str
    fault: str

    @property
    def paper_images(self) -> PaperData | None:
        """What the paper says of these images before it made copies of them; None where it has none of this source."""
        source = "cnmc" if self.config.data.source == "hem_all" else self.config.data.source
        of_source = [data for data in read_data(RESULTS).values() if data.dataset == source]
        return min(of_source, key=lambda data: data.total, default=None)


def report_plan(plan: ReproductionPlan, configs: Mapping[str, Sequence[Config]]) -> None:
    """Print what the jobs of a plan need and lack; ``configs`` are their configurations by the name of the split.

    A ``UserError`` refuses a folder that does not hold the data of its source.
    """
    jobs = list(_jobs(configs))
    lines = [_image_line(job) for job in jobs]
    lines += [f"weights: {job.config.model.name}, {job.config.weights}: {job.weights}" for job in jobs]
    lines += [*_failure_lines(plan, jobs), _training_line(plan, jobs), _disk_line(jobs)]
    wrapped: list[str] = []
    for line in dict.fromkeys(lines):
        wrapped += textwrap.wrap(line, LINE - 2, subsequent_indent="  ", break_long_words=False)
    say(f"paper {plan.paper}: before it starts", *wrapped)


def _jobs(configs: Mapping[str, Sequence[Config]]) -> Iterator[PlannedJob]:
    # Many jobs share data and weights, which are looked for once.
    listed: dict[str, pd.DataFrame | None] = {}
    found: dict[str, tuple[str, str]] = {}
    for split, of_split in configs.items():
        for config in of_split:
            data, weights = f"{config.data!r} {config.data_dir}", f"{config.weights} {config.model!r}"
            if data not in listed:
                listed[data] = _list(config)
            if weights not in found:
                found[weights] = _find_weights(config)
            images = listed[data]
            said, fault = found[weights]
            if images is not None and config.protocol == "subject" and images["subject"].isna().all():
                fault = fault or NO_SUBJECT
            yield PlannedJob(split, config, nan if images is None else len(images), said, fault)


def _list(config: Config) -> pd.DataFrame | None:
    folder = Path(str(config.data_dir)).expanduser()
    composed = hasattr(config.data, "chromosomes")  # into karyograms, as many as are asked for
    data = getattr(config.data, "chromosomes", config.data)
    written = hasattr(data, "download") and not (folder / "train").is_dir()  # from arrays of all images
    if data.drawn or folder.is_file() or written:
        return None
    frame = list_source(data, SourceContext(str(folder), Path(config.cache_dir), progress=False)).frame
    return None if composed else frame


def _find_weights(config: Config) -> tuple[str, str]:
    """Return what is to be said of the weights, and why the run will fail without them, or ""."""
    if config.weights == "random":
        return "none needed", ""
    from lightning_modules.backbones.find_weights import find_weights
    from lightning_modules.backbones.weights_folders import NotAtHandError, WeightsFolders

    folders = WeightsFolders.from_config(config.weights_dir, config.cache_dir, download=False)
    try:
        return f"at hand, {find_weights(config.model, config.weights, folders).path.name}", ""
    except NotAtHandError as download:
        return str(download), ""
    except UserError as error:
        return "cannot be had", str(error)


def _image_line(job: PlannedJob) -> str:
    line = f"images: {job.config.data.source} in {job.config.data_dir}: "
    if isnan(job.images):
        return line + "counted once they are unpacked or written"
    if job.paper_images is None:
        return line + f"{job.images:,} found"
    few = "; the paper's figures are compared on a part of its images" * (job.images < job.paper_images.total)
    return line + f"{job.images:,} of {job.paper_images.total:,} found{few}"


def _failure_lines(plan: ReproductionPlan, jobs: Sequence[PlannedJob]) -> list[str]:
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


def _training_line(plan: ReproductionPlan, jobs: Sequence[PlannedJob]) -> str:
    """Say how much is trained; how long that takes is known once this device trains."""
    runs = {split.name: len(plan.seeds) * len(split.folds) for split in plan.splits}
    stages = Counter[str]()
    for job in jobs:
        trainer = job.config.trainer
        for stage in job.config.unfreeze.stages.values():
            epochs = f"{stage.max_epochs or trainer.max_epochs:,} epochs"
            stages[f"{trainer.max_images:,} images" if trainer.max_images else epochs] += runs[job.split]
    amounts = ", ".join(f"{counted(count, 'stage')} of at most {amount}" for amount, count in stages.items())
    status = f"python scripts/sweep_status.py --watch 5 --output-dir {jobs[0].config.output_dir}"
    total = counted(sum(runs[job.split] for job in jobs), "run")
    return f"training: {total}, {amounts}; time: not estimated, `{status}` shows what is left of each run"


def _disk_line(jobs: Sequence[PlannedJob]) -> str:
    prepared = {}
    for job in jobs:
        key = f"{job.config.data_dir} {job.config.data!r} {job.config.prepare!r}"
        prepared[key] = 3 * job.images * prod(job.config.prepare.stored_shape)
    total = sum(prepared.values())
    said = "of unknown size" if isnan(total) else f"{total / 1e9:.2f} GB (an estimate: pixels x 3 bytes)"
    free: dict[int, str] = {}
    for name in ("cache_dir", "output_dir"):
        folder = Path(getattr(jobs[0].config, name)).expanduser().absolute()
        disk = next(each for each in (folder, *folder.parents) if each.exists())
        free.setdefault(disk.stat().st_dev, f"{shutil.disk_usage(disk).free / 1e9:.0f} GB free for {name}")
    checkpoints = "checkpoints come on top: of each run 4 bytes per parameter, about 16 while it trains"
    return f"disk: prepared images, once for all runs, {said}; {checkpoints}; {', '.join(free.values())}"

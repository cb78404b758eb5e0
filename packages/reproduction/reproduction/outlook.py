"""What a reproduction takes, on one screen: trainings, images, weights, disk and hours, before anything is written."""

import math
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from datamodules.sources import list_configured
from karyocyte.common.cli import say
from karyocyte.common.text import counted
from karyocyte.config.schema import Config
from karyocyte.runs.stages import stages_of
from karyocyte.workflows.sweeps.weights import needed_weights
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.truncation import features_of
from reproduction.plan import Plan, Step

# Sources whose images are drawn or unpacked before they are listed, which a look ahead does not wait for.
WRITTEN = ("mnist", "cifar10", "composed_karyograms")
BYTES_PER_PARAMETER = 16  # of a run: the best weights, and the last with the two moments of Adam


def show_outlook(plan: Plan, steps: Sequence[Step], configs: Mapping[str, Sequence[Config]], finished: int) -> None:
    """Print what is planned, what is there and what is missing, in lines of 80 columns.

    Args:
        plan: Names the seeds and folds.
        steps: The commands.
        configs: Of each split, one of each experiment.
        finished: Number of trainings that are finished.
    """
    jobs = []
    for split in plan.splits:
        jobs += list(configs[split.name]) * len(plan.seeds) * len(split.folds)
    networks = Counter(config.model.name for config in jobs)
    say(f"paper {plan.paper}: {counted(len(jobs), 'training')} of {counted(len(plan.experiments), 'experiment')}")
    _print(f"finished: {finished}")
    _print(f"networks: {', '.join(f'{name} {count}' for name, count in networks.items())}")
    _print(f"steps: {len(steps)} (--commands prints them)")
    needed = needed_weights(jobs)
    missing = [file.name for file in needed if file.path is None]
    _print(f"weights: {len(missing)} of {counted(len(needed), 'file')} missing: {', '.join(missing) or 'none'}")
    costs = _costs(jobs, _images(jobs))
    free = shutil.disk_usage(_existing(plan.output_dir)).free
    _print(f"disk: {costs.size / 1e9:.1f} GB needed at most, {free / 1e9:.1f} GB free in {plan.output_dir}")
    hours = f"an epoch of each training {costs.epoch / 3600:,.1f} h, all epochs, without early stopping,"
    measured = f"{costs.all_epochs / 3600:,.0f} h on {_device(jobs[0])}, by passes timed here and now"
    _print(f"time: {hours} {measured}; reading and evaluation come on top")


def _print(text: str) -> None:
    print(textwrap.fill(text, 80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))


def _images(jobs: Sequence[Config]) -> dict[str, int]:
    """Print how many images of each source are there; return these numbers."""
    images: dict[str, int] = {}
    for config in {config.data.source: config for config in jobs}.values():
        source = config.data.source
        if source in WRITTEN:
            _print(f"images of {source}: counted, and in disk and time, once they are drawn or unpacked")
            continue
        listing = list_configured(config, progress=False)
        images[source] = len(listing.frame)
        note = next(iter(listing.incomplete), f"{images[source]:,} found")
        _print(f"images of {source}: {note.partition(';')[0]}")
    return images


@dataclass
class _Costs:
    epoch: float = 0.0  # seconds of one epoch of each training
    all_epochs: float = 0.0  # seconds
    size: int = 0  # bytes of checkpoints and prepared images


def _costs(jobs: Sequence[Config], images: Mapping[str, int]) -> _Costs:
    paces: dict[str, tuple[float, int]] = {}
    prepared: dict[str, int] = {}
    costs = _Costs()
    for config in jobs:
        key = f"{config.model} {config.prepare.size}"
        if key not in paces:
            paces[key] = _pace(config)
        seconds, parameters = paces[key]
        count = images.get(config.data.source, 0)
        prepared[f"{config.data.source} {config.prepare}"] = count * math.prod(config.prepare.stored_shape) * 3
        costs.epoch += count * seconds
        costs.all_epochs += count * seconds * sum(stage.max_epochs or 0 for stage in stages_of(config).values())
        costs.size += parameters * BYTES_PER_PARAMETER
    costs.size += sum(prepared.values())
    return costs


def _pace(config: Config) -> tuple[float, int]:
    """Return the seconds per image of a step that trains a whole network, and the number of its parameters."""
    device = _device(config)
    number = config.loader.batch_size if device == "cuda" else 1
    backbone = build_backbone(config.model.name, config.model.args, config.model.cut, config.prepare.size).module
    backbone.to(device).eval()
    batch = torch.rand(number, 3, *config.prepare.shape, device=device)
    started = time.perf_counter()
    for _ in range(2):  # the first pass warms up
        started = time.perf_counter()
        with torch.no_grad():
            features_of(backbone, batch)
        if device == "cuda":
            torch.cuda.synchronize()
    passes = 3  # forward, and backward to the weights and to the layer before
    return passes * (time.perf_counter() - started) / number, sum(each.numel() for each in backbone.parameters())


def _device(config: Config) -> str:
    return "cuda" if config.trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _existing(folder: Path) -> Path:
    """Return a folder, or the first above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())

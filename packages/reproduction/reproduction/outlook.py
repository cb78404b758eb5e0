"""What a reproduction takes, on one screen: trainings, images, weights, disk and hours, before anything is written."""

import math
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
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
from reproduction.plan import Plan

# Sources whose images are drawn or unpacked before they are listed, which a look ahead does not wait for.
WRITTEN = ("mnist", "cifar10", "composed_karyograms")
BYTES_PER_PARAMETER = 16  # of a run: the best weights, and the last with the two moments of Adam


def show_outlook(plan: Plan, configs: Mapping[str, Sequence[Config]]) -> None:
    """Print, in lines of 80 columns, what a plan takes whose experiments have these configurations on each split."""
    jobs = _jobs(plan, configs)
    say(f"paper {plan.paper}: {counted(len(jobs), 'training')} of {counted(len(plan.experiments), 'experiment')}")
    lines = _networks_and_weights(jobs)
    images: dict[str, int] = {}
    for source, config in {config.data.source: config for config in jobs}.items():
        count, note = _images_of(config)
        lines.append(f"images of {source}: {note}")
        if count is not None:
            images[source] = count
    for line in [*lines, *_costs(plan.output_dir, jobs, images)]:
        print(textwrap.fill(line, 80, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))


def _jobs(plan: Plan, configs: Mapping[str, Sequence[Config]]) -> list[Config]:
    """Return the configuration of each training."""
    jobs = []
    for split in plan.splits:
        jobs += list(configs[split.name]) * len(plan.seeds) * len(split.folds)
    return jobs


def _networks_and_weights(jobs: Sequence[Config]) -> list[str]:
    networks = Counter(config.model.name for config in jobs)
    missing = []
    for file, users in needed_weights(jobs).items():
        if file.path is None:
            missing.append(f"{file.name} for {', '.join(dict.fromkeys(config.name for config in users))}")
    counts = ", ".join(f"{name} {count}" for name, count in networks.items())
    return [f"networks: {counts}", f"missing weights: {'; '.join(missing) or 'none'}"]


def _images_of(config: Config) -> tuple[int | None, str]:
    """Return how many images a source has, None of one that is yet to be written, and what is said of them."""
    if config.data.source in WRITTEN:
        return None, "counted, also in disk and time, once they are drawn or unpacked"
    listing = list_configured(config, progress=False)
    count = len(listing.frame)
    return count, next(iter(listing.incomplete), f"{count:,} found").partition(";")[0]


def _costs(output: Path, jobs: Sequence[Config], images: Mapping[str, int]) -> list[str]:
    """Describe disk and time of jobs by the number of images of each source."""
    paces: dict[str, tuple[float, int]] = {}
    prepared: dict[str, int] = {}
    epoch, all_epochs, size = 0.0, 0.0, 0
    device = "cuda" if jobs[0].trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    for config in jobs:
        count = images.get(config.data.source, 0)
        key = f"{config.model} {config.prepare.size}"
        if key not in paces:
            paces[key] = _pace(config, device)
        seconds, parameters = paces[key]
        epoch += count * seconds
        all_epochs += count * seconds * sum(stage.max_epochs or 0 for stage in stages_of(config).values())
        size += parameters * BYTES_PER_PARAMETER
        prepared[f"{config.data} {config.prepare}"] = count * math.prod(config.prepare.stored_shape) * 3
    free = shutil.disk_usage(next(place for place in output.absolute().parents if place.exists())).free
    hours = f"an epoch of each training {epoch / 3600:,.1f} h, all epochs, without early stopping, "
    hours += f"{all_epochs / 3600:,.0f} h on {device}, by passes timed here and now; reading and evaluation come on top"
    disk = f"at most {(size + sum(prepared.values())) / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free for {output}"
    return [f"disk: {disk}", f"time: {hours}"]


def _pace(config: Config, device: str) -> tuple[float, int]:
    """Return the seconds per image of a step that trains a whole network, and the number of its parameters."""
    number = config.loader.batch_size if device == "cuda" else 1
    backbone = build_backbone(config.model.name, config.model.args, config.model.cut, config.prepare.size).module
    backbone.to(device).eval()
    batch = torch.rand(number, 3, *config.prepare.shape, device=device)
    seconds = []
    for _ in range(2):  # the first pass warms up
        started = time.perf_counter()
        with torch.no_grad():
            features_of(backbone, batch).sum().item()  # waits for the device
        seconds.append(time.perf_counter() - started)
    passes = 3  # forward, and backward to the weights and to the layer before
    return passes * seconds[1] / number, sum(each.numel() for each in backbone.parameters())

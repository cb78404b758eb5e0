"""What a reproduction needs and may lack, told before its first step: images, weights, failing runs, time and disk."""

import shutil
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from workflows.papers.plan import RESULTS, Plan

WIDTH = 80
GPUS = ("gpu", "cuda", "mps")
ORIGINALS = {"hem_all": "cnmc"}  # the source of a paper's copies
SIDE = 1000  # of the matrices whose product measures this machine


@dataclass(frozen=True)
class Needs:
    """What the jobs of a plan need: ``configs`` are their configurations by the name of the split."""

    plan: Plan
    configs: Mapping[str, Sequence[Config]]

    @cached_property
    def images(self) -> dict[str, pd.DataFrame | None]:
        """The images of each data set, a row each; None where listing them would unpack, draw or write them.

        A ``UserError`` says that a data folder is not as its source reads it.
        """
        listed: dict[str, pd.DataFrame | None] = {}
        for config in chain.from_iterable(self.configs.values()):
            if _data_of(config) not in listed:
                listed[_data_of(config)] = _list(config)
        return listed

    @cached_property
    def weights(self) -> dict[tuple[str, str | None], str | UserError]:
        """What is to be said of the weights of each network and cut, an error where they cannot be had."""
        found: dict[tuple[str, str | None], str | UserError] = {}
        for config in chain.from_iterable(self.configs.values()):
            if config.weights != "random" and _weights_of(config) not in found:
                found[_weights_of(config)] = _find_weights(config)
        return found

    @cached_property
    def failing(self) -> dict[tuple[str, str], list[str]]:
        """The experiments that will fail, by split and reason, as far as it is known beforehand."""
        found: dict[tuple[str, str], list[str]] = {}
        for split, configs in self.configs.items():
            for config in configs:
                images = self.images[_data_of(config)]
                reason: object = self.weights.get(_weights_of(config))
                if not isinstance(reason, UserError):
                    reason = "no subject is known: set data.subject_regex"
                    if config.protocol != "subject" or images is None or images["subject"].notna().any():
                        continue
                found.setdefault((split, str(reason)), []).append(config.name)
        return found

    def count(self, config: Config) -> int | None:
        """Return the number of images of a configuration; None where it is not known yet."""
        images = self.images[_data_of(config)]
        return None if images is None or hasattr(config.data, "chromosomes") else len(images)


def report(plan: Plan, configs: Mapping[str, Sequence[Config]]) -> None:
    """Print what the jobs of a plan need and lack; a ``UserError`` refuses a folder that does not hold their data."""
    needs = Needs(plan, configs)
    lines = [*_image_lines(needs), *_weight_lines(needs), *_failure_lines(needs), _time_line(needs), _disk_line(needs)]
    wrapped = [textwrap.wrap(line, WIDTH - 2, subsequent_indent="  ", break_long_words=False) for line in lines]
    say(f"paper {plan.paper}: before it starts", *chain.from_iterable(wrapped))


def _data_of(config: Config) -> str:
    """Return the data set of a configuration and where it lies."""
    return f"{config.data.source} in {config.data_dir}"


def _weights_of(config: Config) -> tuple[str, str | None]:
    """Return the weights, and where their network is cut: a file may hold it up to there."""
    return f"{config.weights} of {config.model.name}", config.model.cut


def _list(config: Config) -> pd.DataFrame | None:
    data = getattr(config.data, "chromosomes", config.data)  # of which karyograms are composed
    folder = Path(str(config.data_dir)).expanduser()
    if data.source in (*DRAWN, "synthetic_cells") or folder.is_file() or getattr(data, "download", False):
        return None
    if data.source == "mnist":
        find_files(folder)
        return None
    if data.source == "cifar10" and any(folder.glob(f"**/{BATCHES}")):
        return None
    return list_images(data, str(folder), Path(config.cache_dir), progress=False).frame


def _find_weights(config: Config) -> str | UserError:
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


def _image_lines(needs: Needs) -> list[str]:
    lines = []
    for name, images in needs.images.items():
        expected = _expected(name.partition(" ")[0])
        if images is None:
            lines.append(f"images: {name}: counted once they are unpacked or written")
        elif expected is None:
            what = "chromosomes" if name.startswith("composed") else "images"
            lines.append(f"images: {name}: {len(images):,} {what} found")
        else:
            few = "; the paper's figures are not comparable with fewer" if len(images) < expected else ""
            lines.append(f"images: {name}: {len(images):,} of {expected:,} found{few}")
    return lines


def _expected(source: str) -> int | None:
    """Return how many images a paper had of a source before it made copies; None where it names none."""
    data = read_table(RESULTS, "data")
    totals = data.loc[data["dataset"] == ORIGINALS.get(source, source), "total"].astype(int)
    return int(totals.min()) if len(totals) else None


def _weight_lines(needs: Needs) -> list[str]:
    if not needs.weights:
        return ["weights: none needed"]
    lines = []
    for (name, _), said in needs.weights.items():
        lines.append(f"weights: {name}: {said if isinstance(said, str) else 'cannot be had'}")
    return list(dict.fromkeys(lines))


def _failure_lines(needs: Needs) -> list[str]:
    lines = []
    for (split, reason), names in needs.failing.items():
        lines.append(f"will fail, {split} split: {', '.join(names)}: {reason}")
    failing = set(chain.from_iterable(needs.failing.values()))
    for row in needs.plan.ensembles.to_dict("records"):
        lacking = [name for name in row["members"].split() if name in failing or name not in needs.plan.experiments]
        if lacking:
            lines.append(f"left out: {row['experiment']}, for want of {', '.join(lacking)}")
    return lines


def _time_line(needs: Needs) -> str:
    every = list(chain.from_iterable(needs.configs.values()))
    on_gpu = any(config.trainer.accelerator in GPUS for config in every) or shutil.which("nvidia-smi")
    if on_gpu or any("cluster=" in word for word in needs.plan.words):
        return "time: unknown, nothing was measured on a GPU or cluster like this one"
    trained = {claim.experiment: claim.data.train for claim in printed_claims(RESULTS, (needs.plan.paper,))}
    per_image = _planned_operations()
    operations = 0.0
    unknown = set()
    for split in needs.plan.splits:
        runs = len(needs.plan.seeds) * len(split.folds)
        for config in needs.configs[split.name]:
            images = needs.count(config)
            expected = _expected(config.data.source)
            if images is None or expected is None or config.name not in per_image:
                unknown.add(config.name)
                continue
            seen = _images_seen(config, trained[config.name] * images / expected)
            height, width = config.prepare.shape
            operations += runs * seen * height * width * per_image[config.name]
    if not operations:
        return "time: unknown, there is no basis for an estimate with these data"
    ratios = pd.read_csv(RESULTS / "plan_check.csv")["measured_over_predicted"]
    speed = _measure_speed()
    low, high = (_duration(operations / speed * ratio) for ratio in (ratios.min(), ratios.max()))
    without = f", without {', '.join(sorted(unknown))}" if unknown else ""
    return (
        f"time: {low} to {high} of training at most{without} (an estimate: all epochs, operations per image of "
        f"results/plan/ and plan_cnmc_grid.csv, {speed:.0f} GFLOP/s measured here now; real steps took "
        f"{ratios.min():.1f} to {ratios.max():.1f} times as long, results/plan_check.csv); start-up and evaluation "
        "come on top"
    )


def _planned_operations() -> dict[str, float]:
    """Return the GFLOP of a training step per image and pixel, by experiment."""
    files = (RESULTS / "plan_cnmc_grid.csv", *sorted((RESULTS / "plan").glob("*.csv")))
    plan = pd.concat(map(pd.read_csv, files)).drop_duplicates("experiment").set_index("experiment")
    return dict(plan["gflops_training"] / plan["size"] ** 2)


def _images_seen(config: Config, train: float) -> float:
    """Return how many of the training images all epochs of all stages read."""
    seen = 0.0
    for stage in config.unfreeze.stages.values():
        epochs = min(stage.max_epochs or config.trainer.max_epochs, config.trainer.max_epochs)
        seen += min(epochs * train, config.trainer.max_images or np.inf)
    return seen


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
    return f"{seconds / 3600:.1f} hours" if seconds > 7200 else f"{max(seconds / 60, 1):.0f} minutes"


def _disk_line(needs: Needs) -> str:
    prepared: dict[str, float] = {}
    for config in chain.from_iterable(needs.configs.values()):
        count = needs.count(config)
        height, width = config.prepare.stored_shape
        prepared[_data_of(config) + config.prepare.model_dump_json()] = (
            np.nan if count is None else count * height * width * 3
        )
    total = sum(prepared.values())
    cache = Path(config.cache_dir).expanduser().absolute()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    said = "of unknown size" if np.isnan(total) else f"{total / 1e9:.2f} GB (an estimate: pixels x 3 bytes)"
    free = shutil.disk_usage(there).free / 1e9
    return (
        f"disk: {counted(len(prepared), 'set')} of prepared images, {said}; checkpoints not counted; {free:.0f} GB free"
    )

"""What a reproduction needs and may lack, told before its first step: images, weights, and runs that will fail."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd

from datamodules.sources import SourceContext, list_source
from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
from karyocyte.config.schema import Config
from lightning_modules.backbones.find_weights import find_weights
from lightning_modules.backbones.weights_folders import NotAtHandError, WeightsFolders
from reproduction.claims import RESULTS, read_data
from reproduction.plan import Plan

NO_SUBJECT = "no subject is known: set data.subject_regex"
LINE = 78  # columns of a terminal beside the indentation


def report_needs(plan: Plan, configs: Mapping[str, Sequence[Config]]) -> None:
    """Print what the jobs of a plan need and lack; ``configs`` are their configurations by the name of the split.

    A ``UserError`` refuses a folder that does not hold the data of its source.
    """
    jobs = list(chain.from_iterable(configs.values()))
    # Many jobs share data and weights, which are looked for once.
    images = {title: _list(config) for title, config in {_data(job): job for job in jobs}.items()}
    weights = {title: _find_weights(config) for title, config in {_weights(job): job for job in jobs}.items()}
    failing: dict[str, list[str]] = {}
    for split, config in [(split, config) for split in configs for config in configs[split]]:
        if fault := weights[_weights(config)][1] or _fault(config, images[_data(config)]):
            failing.setdefault(f"{split} split: {fault}", []).append(config.name)
    runs = sum(len(configs[split.name]) * len(split.folds) for split in plan.splits) * len(plan.seeds)
    lines = [f"images: {title}: {_counted(frame, title.split()[0])}" for title, frame in images.items()]
    lines += [f"weights: {title}: {said}" for title, (said, _) in weights.items()]
    lines += _losses(plan, failing)
    lines.append(f"training: {counted(runs, 'run')}; sweep_status.py --watch 5 shows what is left of each")
    folded = [textwrap.wrap(line, LINE, subsequent_indent="  ", break_long_words=False) for line in lines]
    say(f"paper {plan.paper}: before it starts", *chain.from_iterable(folded))


def _data(config: Config) -> str:
    return f"{config.data.source} in {config.data_dir}"


def _weights(config: Config) -> str:
    return f"{config.model.name}, {config.weights}"


def _list(config: Config) -> pd.DataFrame | None:
    """Return the images of a source, None where counting them would unpack, draw or write them."""
    folder = Path(str(config.data_dir)).expanduser()
    composed = hasattr(config.data, "chromosomes")  # into karyograms, as many as are asked for
    data = getattr(config.data, "chromosomes", config.data)
    written = hasattr(data, "download") and not (folder / "train").is_dir()  # from arrays of all images
    if data.drawn or folder.is_file() or written:
        return None
    frame = list_source(data, SourceContext(str(folder), Path(config.cache_dir), progress=False)).frame
    return None if composed else frame


def _fault(config: Config, images: pd.DataFrame | None) -> str:
    """Return why a run will fail on its images, or ""."""
    lacks_subjects = images is not None and bool(images["subject"].isna().all())
    return NO_SUBJECT if config.protocol == "subject" and lacks_subjects else ""


def _counted(images: pd.DataFrame | None, source: str) -> str:
    """Say how many images there are of how many of the paper, before it made copies of them."""
    if images is None:
        return "counted once they are unpacked or written"
    name = "cnmc" if source == "hem_all" else source
    totals = [data.total for data in read_data(RESULTS).values() if data.dataset == name]
    few = "; the paper's figures are compared on a part of its images" * (len(images) < min(totals, default=0))
    return f"{len(images):,}{f' of {min(totals):,}' if totals else ''} found{few}"


def _find_weights(config: Config) -> tuple[str, str]:
    """Return what is to be said of the weights, and why the run will fail without them, or ""."""
    if config.weights == "random":
        return "none needed", ""
    folders = WeightsFolders.from_config(config.weights_dir, config.cache_dir, download=False)
    try:
        return f"at hand, {find_weights(config.model, config.weights, folders).path.name}", ""
    except NotAtHandError as download:
        return str(download), ""
    except UserError as error:
        return "cannot be had", str(error)


def _losses(plan: Plan, failing: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which experiments will fail, by the reason, and which ensembles are left out for want of a member."""
    lines = [f"will fail: {', '.join(names)}, {fault}" for fault, names in failing.items()]
    fit = set(plan.experiments).difference(*failing.values())
    for claim in plan.ensembles:
        lacking = [name for name in claim.members if name not in fit]
        if lacking:
            lines.append(f"left out: {claim.experiment}, for want of {', '.join(lacking)}")
    return lines

"""What a reproduction needs and may lack, told before its first step: images, weights, and runs that will fail."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd

from datamodules.sources import SourceContext, list_source
from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.config.schema import Config
from lightning_modules.backbones.find_weights import find_weights
from lightning_modules.backbones.weights_folders import NotAtHandError, WeightsFolders
from reproduction.claims import RESULTS, read_data

NO_SUBJECT = "no subject is known: set data.subject_regex"
LINE = 78  # columns of a terminal beside the indentation


@dataclass(frozen=True)
class Found:
    """The images and weights of some jobs, of which many share them: each is looked for once.

    ``images`` is None where counting them would unpack, draw or write them; ``weights`` are what is to be said of
    them, and why a run will fail without them, or "".
    """

    images: Mapping[str, pd.DataFrame | None]
    weights: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, jobs: Sequence[Config]) -> "Found":
        """Look for what jobs need; a ``UserError`` refuses a folder that does not hold the data of its source."""
        images, weights = {_data(job): job for job in jobs}, {_weights(job): job for job in jobs}
        return cls(
            {title: _list(job) for title, job in images.items()},
            {title: _find_weights(job) for title, job in weights.items()},
        )

    def fault(self, job: Config) -> str:
        """Return why a run will fail, or ""."""
        images = self.images[_data(job)]
        lacks_subjects = images is not None and bool(images["subject"].isna().all())
        return self.weights[_weights(job)][1] or NO_SUBJECT * (job.protocol == "subject" and lacks_subjects)


def report_needs(configs: Mapping[str, Sequence[Config]]) -> None:
    """Print what the jobs of a plan need and lack; ``configs`` are their configurations by the name of the split."""
    found = Found.of(list(chain.from_iterable(configs.values())))
    failing: dict[str, list[str]] = {}
    for split, of_split in configs.items():
        for config in of_split:
            if fault := found.fault(config):
                failing.setdefault(f"{split} split: {fault}", []).append(config.name)
    lines = [f"images: {title}: {_counted(frame, title.split()[0])}" for title, frame in found.images.items()]
    lines += [f"weights: {title}: {said}" for title, (said, _) in found.weights.items()]
    lines += [f"will fail: {', '.join(names)}, {fault}" for fault, names in failing.items()]
    folded = [textwrap.wrap(line, LINE, subsequent_indent="  ", break_long_words=False) for line in lines]
    say("before it starts", *chain.from_iterable(folded))


def _data(config: Config) -> str:
    return f"{config.data.source} in {config.data_dir}"


def _weights(config: Config) -> str:
    return f"{config.model.name}, {config.weights}"


def _list(config: Config) -> pd.DataFrame | None:
    folder = Path(str(config.data_dir)).expanduser()
    composed = hasattr(config.data, "chromosomes")  # into karyograms, as many as are asked for
    data = getattr(config.data, "chromosomes", config.data)
    written = hasattr(data, "download") and not (folder / "train").is_dir()  # from arrays of all images
    if data.drawn or folder.is_file() or written:
        return None
    frame = list_source(data, SourceContext(str(folder), Path(config.cache_dir), progress=False)).frame
    return None if composed else frame


def _counted(images: pd.DataFrame | None, source: str) -> str:
    """Say how many images there are of how many of the paper, before it made copies of them."""
    if images is None:
        return "counted once they are unpacked or written"
    name = "cnmc" if source == "hem_all" else source
    totals = [data.total for data in read_data(RESULTS).values() if data.dataset == name]
    few = "; the paper's figures are compared on a part of its images" * (len(images) < min(totals, default=0))
    return f"{len(images):,}{f' of {min(totals):,}' if totals else ''} found{few}"


def _find_weights(config: Config) -> tuple[str, str]:
    if config.weights == "random":
        return "none needed", ""
    folders = WeightsFolders.from_config(config.weights_dir, config.cache_dir, download=False)
    try:
        return f"at hand, {find_weights(config.model, config.weights, folders).path.name}", ""
    except NotAtHandError as download:
        return str(download), ""
    except UserError as error:
        return "cannot be had", str(error)

"""How a kind of network is trained: what the key ``recipe`` names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.split_datamodule import SplitDataModule
from karyocyte.runs.run import Run
from lightning_modules.build.build import InitialisedBackbone

Built = tuple[Any, dict[str, str | None]]  # a network with its first weights, and the hashes of what these are


@dataclass(frozen=True)
class Recipe:
    """The steps of a training; ``data`` takes the arguments of `SplitDataModule`, the others what it returns, too."""

    data: Callable[..., SplitDataModule]
    build: Callable[[Any, Any, InitialisedBackbone], Built]
    fit: Callable[[Any, Any, Any, Run], None]  # and marks the run as finished
    report: Callable[[Path, Any, Any], None]  # evaluates the predictions of a finished run

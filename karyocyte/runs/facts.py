"""What the small files of a run hold: status, progress, facts of data and network, keys that predictions depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from karyocyte.config.data import PrepareConfig
from karyocyte.config.schema import HeadConfig, InferenceConfig


@dataclass(frozen=True)
class RunStatus:
    """The content of status.json."""

    state: str | None = None  # running, finished, failed, preempted or interrupted; None without the file
    best: str | None = None  # path of the best checkpoint, relative to the run's folder
    images_seen: int | None = None  # of all stages, an image of each epoch counted
    wall_seconds: float | None = None
    error: str | None = None
    signal: str | None = None


@dataclass(frozen=True)
class Progress:
    """The content of progress.json: how far a training is, in the run and within its stage."""

    stage: int | None = None  # that is going on, from 1; None before the first one
    stages: int = 1
    stage_name: str = ""
    epoch: int | None = None  # of the stage, from 1; of ``epochs`` at most
    epochs: int | None = None
    step: int = 0  # of the optimiser in the stage
    monitor: str | None = None
    best: float | None = None  # value of the monitored metric so far
    updated: float = 0.0  # seconds since the epoch


@dataclass(frozen=True)
class DataFacts:
    """The content of data.json: facts of the data set that a run was trained and tested on."""

    classes: tuple[str, ...]  # in the order of the probabilities
    positive_class: str | None
    source: str | None = None
    synthetic: bool = False
    folds: int | None = None  # None where the parts are given
    leaks: Mapping[str, int | None] | None = None  # counts of what leaks between the parts, by name
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()  # names of what was left out
    incomplete: str | None = None  # what is missing of a published data set
    persons: tuple[Mapping[str, Any], ...] = ()  # several subjects each, that share so many files: "subjects", "files"
    copies: Mapping[str, str] = field(default_factory=dict)  # left out: the path of the copy that is used


@dataclass(frozen=True)
class ModelFacts:
    """The content of model.json."""

    mean: list[float]  # of the channels, shape (3,), that images in [0, 1] are normalised with
    std: list[float]
    args: dict[str, Any]  # further arguments of the network


@dataclass(frozen=True)
class BackboneSettings:
    """The keys of ``model`` that its weights are loaded by; its arguments are in model.json."""

    name: str  # timm's name of the network, or that of one of the papers
    cut: str | None  # the module that it ends with; None for the whole network


@dataclass(frozen=True)
class ComputingSettings:
    """The keys of ``trainer`` that change the last digits of predictions."""

    precision: str
    channels_last: bool


@dataclass(frozen=True)
class BatchSettings:
    """The key of ``loader`` that predictions take."""

    batch_size: int


@dataclass(frozen=True)
class MarkSettings:
    """The key of ``evaluation`` that marks images."""

    out_of_distribution: float


@dataclass(frozen=True)
class PredictionSettings:
    """The keys of the configuration of a classifier that its predictions of new images depend on."""

    recipe: Literal["classifier"]
    name: str
    seed: int  # of the masks of Monte Carlo dropout
    model: BackboneSettings
    head: HeadConfig
    prepare: PrepareConfig
    inference: InferenceConfig
    trainer: ComputingSettings
    loader: BatchSettings
    evaluation: MarkSettings

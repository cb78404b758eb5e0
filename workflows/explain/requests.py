"""Requests of ``scripts/explain.py``, checked without the libraries of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import Run
from workflows.explain.methods import AttributionMethod

PREDICTED = "predicted"
TRUE = "true"


@dataclass(frozen=True)
class ImageSelection:
    """Which images are explained.

    Attributes:
        files: Image files; empty: images of the test part.
        samples: Number of images, of ``which`` or of each class in turn; None: those that ``showcase`` chooses.
        which: "right", "wrong" or "doubtful"; None for any.
        every: All of the test part, or of ``which``; those that ``showcase`` chooses come first.
        data_dir: Where the run's images are now; None: where they were.

    Raises:
        UserError: A file does not exist.
    """

    files: tuple[Path, ...] = ()
    samples: int | None = None
    which: str | None = None
    every: bool = False
    data_dir: str | None = None

    def __post_init__(self) -> None:
        for file in self.files:
            if not file.is_file():
                raise UserError(f"{file}: there is no such image file")


@dataclass(frozen=True)
class MapSettings:
    """Settings that heat maps and their localisation share.

    Attributes:
        target: The class whose support is shown: "predicted", "true", or a class.
        windows: See ``evaluation.explain.attribution.Method``.
        steps: See there.
    """

    target: str = PREDICTED
    windows: int = 8
    steps: int = 32


@dataclass(frozen=True)
class HeatmapRequest:
    """Heat maps of runs and of the members of ensembles.

    Attributes:
        runs: Runs and ensembles.
        method: The method of attribution.
        layer: Name of a module; None: the last with maps.
        settings: Target and settings of the methods.
        images: Which images.
        out: PNG of all runs side by side; None: a figure in the folder of each run, and of each ensemble.
    """

    runs: tuple[Run, ...]
    method: str = AttributionMethod.GRADCAM
    layer: str | None = None
    settings: MapSettings = MapSettings()
    images: ImageSelection = ImageSelection()
    out: Path | None = None


@dataclass(frozen=True)
class LocalisationRequest:
    """Localisation of heat maps of composed karyograms.

    Attributes:
        runs: The runs.
        methods: Methods of attribution, separated by commas.
        layers: Names of modules, separated by commas; empty: the last with maps.
        settings: Target and settings of the methods.
        images: Number of karyograms, and their place.
        tolerance: See ``evaluation.explain.localisation.measure``.
        evaluation: Settings of the intervals.
        csv: Table to write, or to add to.

    Raises:
        UserError: An unknown method.
    """

    runs: tuple[Run, ...]
    methods: str
    layers: str
    settings: MapSettings
    images: ImageSelection
    tolerance: float
    evaluation: EvaluationConfig
    csv: Path | None = None

    def __post_init__(self) -> None:
        for method in split_names(self.methods):
            if method not in list(AttributionMethod):
                raise UserError(f"method {method}: the methods are {', '.join(AttributionMethod)}")


@dataclass(frozen=True)
class LayersRequest:
    """Pictures of the outputs of layers.

    Attributes:
        runs: The runs.
        images: Which images.
        layers: Names of modules, separated by commas; empty: see ``evaluation.explain.activations.positions``.
        channels: Largest number of channels per layer.
        out: PNG of a single run; None: layers/layers.png in each run's folder.

    Raises:
        UserError: One file for several runs.
    """

    runs: tuple[Run, ...]
    images: ImageSelection
    layers: str = ""
    channels: int = 16
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.out is not None and len(self.runs) > 1:
            count = len(self.runs)
            raise UserError(f"--out {self.out}: one file for {count} runs: without it each gets layers/layers.png")


@dataclass(frozen=True)
class SmoothnessRequest:
    """Smoothness of layers against accuracy.

    Attributes:
        runs: The runs.
        samples: Number of test images of each run, at most.
        csv: Table to write; NAME_correlation.csv and NAME.png are written beside it.
        evaluation: Settings of the intervals.
    """

    runs: tuple[Run, ...]
    samples: int
    csv: Path
    evaluation: EvaluationConfig


def open_finished(paths: Sequence[Path]) -> tuple[Run, ...]:
    """Open finished runs and ensembles; a path that is named twice counts once.

    Raises:
        UserError: A path is not a finished run.
    """
    runs: dict[Path, Run] = {}
    for path in paths:
        run = Run.open(path)
        if not run.has(RunFile.ENSEMBLE):
            run = Run.open_finished(path)
        runs.setdefault(run.folder.resolve(), run)
    return tuple(runs.values())


def split_names(text: str) -> tuple[str, ...]:
    """Split names at commas."""
    names = (name.strip() for name in text.split(","))
    return tuple(name for name in names if name)

"""The options of scripts/explain.py, checked without the libraries of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import Run

PREDICTED = "predicted"
TRUE = "true"


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """The options of the commands of scripts/explain.py, which explains them; a command takes some of them.

    Raises:
        UserError: A run is not finished, or an image file does not exist.
    """

    runs: Sequence[Path]
    images: Sequence[Path] | None = None
    samples: int | None = None
    which: str | None = None
    every: bool = False
    data_dir: str | None = None
    method: str = "gradcam"
    methods: str = "gradcam"
    layer: str | None = None
    layers: str = ""
    target: str = PREDICTED
    windows: int = 8
    steps: int = 32
    tolerance: float = 0.03
    channels: int = 16
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    csv: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        assert self.opened is not None  # refuses runs that are not finished
        for file in self.images or ():
            if not file.is_file():
                raise UserError(f"{file}: there is no such image file")

    @cached_property
    def opened(self) -> list[Run]:
        """The finished runs and ensembles; one that is named twice counts once."""
        runs: dict[Path, Run] = {}
        for path in self.runs:
            run = Run.open(path)
            if not run.has(RunFile.ENSEMBLE):
                run = Run.open_finished(path)
            runs.setdefault(run.folder.resolve(), run)
        return list(runs.values())

    @property
    def evaluation(self) -> EvaluationConfig:
        """Settings of the intervals."""
        return EvaluationConfig(resamples=self.resamples, confidence=self.confidence, seed=self.seed)


def split_names(text: str) -> list[str]:
    """Split names at commas."""
    return [name.strip() for name in text.split(",") if name.strip()]

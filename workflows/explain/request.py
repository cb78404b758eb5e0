"""What scripts/explain.py is asked for: the keys of conf/explain.yaml, runs and images; without libraries of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from common.config.base import FROM_YAML, StrictModel, listed
from common.config.command import Command
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import Run

PREDICTED = "predicted"
TRUE = "true"
OF_INPUTS = ("occlusion", "integrated_gradients")  # methods that work on the image itself and have no layer
MethodName = Literal["gradcam", "gradcam++", "hirescam", "eigencam", "occlusion", "integrated_gradients"]
Several = Annotated[int, Field(ge=2)]


class ExplainConfig(StrictModel, defaults="explain"):
    """All keys of conf/explain.yaml."""

    method: Annotated[tuple[MethodName, ...], BeforeValidator(listed)] = FROM_YAML
    layer: Annotated[tuple[str, ...] | None, BeforeValidator(listed)] = FROM_YAML
    target: str | None = FROM_YAML
    samples: PositiveInt | None = FROM_YAML
    which: Literal["right", "wrong", "doubtful"] | None = FROM_YAML
    all: bool = FROM_YAML
    windows: Several = FROM_YAML
    steps: Several = FROM_YAML
    tolerance: Annotated[float, Field(ge=0.0, le=1.0)] = FROM_YAML
    channels: PositiveInt = FROM_YAML
    data_dir: str | None = FROM_YAML


@dataclass(frozen=True)
class ExplainRequest:
    """The words and options of a command of scripts/explain.py: ``RUN... [IMAGES...] key=value ...``.

    Attributes:
        words: Runs, then image files, which count in place of test images, and keys of conf/explain.yaml and
            ``evaluation``.
        out: A figure to write.
        csv: A table to write.

    Raises:
        UserError: A key or value is wrong, a run is not finished, or an image file does not exist.
    """

    words: Sequence[str]
    out: Path | None = None
    csv: Path | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("no run is named: name a finished run's folder, its experiment, or latest")
        for file in self.images:
            if not file.is_file():
                raise UserError(f"{file}: there is no such image file")

    @cached_property
    def _command(self) -> Command:
        return Command(self.words, ExplainConfig, EvaluationConfig)

    @property
    def settings(self) -> ExplainConfig:
        """The keys of conf/explain.yaml."""
        return self._command[ExplainConfig]

    @property
    def evaluation(self) -> EvaluationConfig:
        """Settings of the intervals."""
        return self._command[EvaluationConfig]

    @cached_property
    def runs(self) -> list[Run]:
        """The finished runs and ensembles; one that is named twice counts once."""
        runs: dict[Path, Run] = {}
        for path in self._command.paths:
            if path not in self.images:
                run = Run.open(path)
                if not run.has(RunFile.ENSEMBLE):
                    run = Run.open_finished(path)
                runs.setdefault(run.folder.resolve(), run)
        return list(runs.values())

    @cached_property
    def images(self) -> list[Path]:
        """The image files, which follow the runs."""
        return [path for path in self._command.paths[1:] if path.suffix and not path.is_dir()]

    @property
    def methods(self) -> list[tuple[str, str | None]]:
        """The methods, each at each of the layers; None is the default layer."""
        pairs: list[tuple[str, str | None]] = []
        for name in self.settings.method:
            layers = None if name in OF_INPUTS else self.settings.layer
            pairs += [(name, layer) for layer in layers or (None,)]
        return pairs

    def config(self, run_config: Config) -> Config:
        """Return the configuration of a run with the place where its images are now."""
        if self.settings.data_dir is None:
            return run_config
        return run_config.model_copy(update={"data_dir": self.settings.data_dir})

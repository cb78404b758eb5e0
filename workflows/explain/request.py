"""What scripts/explain.py is asked for: the keys of conf/explain.yaml, and runs; without libraries of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, PositiveInt

from common.config.base import FROM_YAML, StrictModel, listed
from common.config.command import Command
from common.config.schema import Config
from common.errors import UserError
from common.runs.run import Run
from workflows.models import members_of

PREDICTED = "predicted"
TRUE = "true"
MethodName = Literal["gradcam", "gradcam++", "hirescam"]


class ExplainConfig(StrictModel, defaults="explain"):
    """All keys of conf/explain.yaml."""

    method: Annotated[tuple[MethodName, ...], BeforeValidator(listed)] = FROM_YAML
    layer: Annotated[tuple[str, ...] | None, BeforeValidator(listed)] = FROM_YAML
    target: str = FROM_YAML
    samples: PositiveInt | None = FROM_YAML
    all: bool = FROM_YAML
    channels: PositiveInt = FROM_YAML
    data_dir: str | None = FROM_YAML


@dataclass(frozen=True)
class ExplainRequest:
    """The words ``RUN... key=value ...`` of a command of scripts/explain.py, and the one figure of all runs to write.

    Raises:
        UserError: A key or value is wrong, or a run is not finished.
    """

    words: Sequence[str]
    out: Path | None = None

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("no run is named: name a finished run's folder, its experiment, or latest")

    @cached_property
    def _command(self) -> Command:
        return Command(self.words, ExplainConfig)

    @property
    def settings(self) -> ExplainConfig:
        """The keys of conf/explain.yaml."""
        return self._command[ExplainConfig]

    @property
    def together(self) -> Path | None:
        """The one figure of several runs."""
        return self.out if len(self.runs) > 1 else None

    @cached_property
    def runs(self) -> list[Run]:
        """The finished runs, each once; an ensemble is explained by its members."""
        runs: dict[Path, Run] = {}
        for run in members_of(list(map(Run.open, self._command.paths))):
            runs.setdefault(run.folder.resolve(), Run.open_finished(run.folder))
        return list(runs.values())

    def config(self, config: Config) -> Config:
        """Return the configuration of a run with the place where its images are now."""
        return config.model_copy(update={"data_dir": self.settings.data_dir or config.data_dir})

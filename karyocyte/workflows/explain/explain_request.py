"""What scripts/explain.py is asked for: the keys of conf/explain.yaml, and runs; without libraries of models."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, PositiveInt

from karyocyte.common.errors import UserError
from karyocyte.config.base import FROM_YAML, StrictModel, text_items
from karyocyte.config.command import Request
from karyocyte.inference.models import RunsModel
from karyocyte.runs.run import Run

PREDICTED = "predicted"
TRUE = "true"


class ExplainConfig(StrictModel, defaults="explain"):
    """All keys of conf/explain.yaml."""

    method: Literal["gradcam", "gradcam++", "hirescam", "layercam"] = FROM_YAML
    layer: Annotated[tuple[str, ...] | None, BeforeValidator(text_items)] = FROM_YAML
    # The command line reads the word true as YAML's.
    target: Annotated[str, BeforeValidator(lambda value: TRUE if value is True else value)] = FROM_YAML
    samples: PositiveInt | None = FROM_YAML
    all: bool = FROM_YAML
    data_dir: str | None = FROM_YAML


class ExplainRequest(Request):
    """What a command of scripts/explain.py asks for: its keys, finished runs, and the one figure of all to write."""

    settings: ExplainConfig
    out: Path | None = None

    @cached_property
    def runs(self) -> list[Run]:
        """The finished runs among the words, each once, and an ensemble by its members."""
        runs: dict[Path, Run] = {}
        for run in RunsModel(list(map(Run.open, self.paths))).members:
            runs.setdefault(run.folder.resolve(), Run.open_finished(run.folder))
        return list(runs.values())

    def check(self) -> None:
        """Raise a ``UserError`` if the figure is no PNG by its name, no run is named, or one is not finished."""
        if self.out and self.out.suffix.lower() != ".png":
            raise UserError(f"--out {self.out}: a PNG file is written: end its name in .png")
        if not self.runs:
            raise UserError("no run is named: name a finished run's folder, its experiment, or latest")

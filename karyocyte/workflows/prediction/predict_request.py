"""The words of scripts/predict.py and their check, without the imports of networks and images."""

import shlex
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from karyocyte.common.errors import UserError
from karyocyte.config.base import FROM_YAML, Folder, StrictModel, text_items
from karyocyte.config.command import Request
from karyocyte.inference.models import LoadOptions, RunsModel, is_model, open_model
from karyocyte.recipes.exports import exported_kind
from karyocyte.runs.arguments import free_name

Rule = Literal["confidence", "votes"]


class PredictConfig(StrictModel, defaults="predict"):
    """All keys of conf/predict.yaml: how images are predicted, and reviewed."""

    rules: Annotated[tuple[Rule, ...] | None, BeforeValidator(text_items)] = FROM_YAML
    batchnorm: Literal["trained", "images"] | None = FROM_YAML
    columns: Literal["reader", "all"] = FROM_YAML
    follow_links: bool = FROM_YAML
    cache_dir: Folder | None = FROM_YAML


class PredictRequest(Request):
    """The words ``RUN... IMAGES... key=value ...`` of scripts/predict.py, and the table to write."""

    settings: PredictConfig
    output: Path

    @cached_property
    def model_paths(self) -> list[Path]:
        """The runs, the ensemble or the export among the paths."""
        return list(filter(is_model, self.paths))

    @cached_property
    def model(self) -> RunsModel:
        """What is named as a model."""
        return open_model(self.model_paths)

    @property
    def places(self) -> list[Path]:
        """The folders, zip files and files of images, after the model."""
        return self.paths[len(self.model_paths) :]

    @property
    def options(self) -> LoadOptions:
        """How the networks are loaded."""
        return LoadOptions(batchnorm=self.settings.batchnorm, with_passes=True)

    @property
    def parquet(self) -> Path:
        """The parquet file to write."""
        return self.output.with_suffix(".parquet")

    @property
    def unfinished(self) -> Path:
        """A file that is there while both tables are written: one alone, left by a killed process, may be replaced."""
        return self.output.with_name(f".{self.output.name}.unfinished")

    @property
    def lock(self) -> Path:
        """The file of the lock that is held while the tables are written."""
        return self.output.with_name(f".{self.output.name}.lock")

    def check(self) -> None:
        """Check the words as far as this is possible without a network and without the images.

        Raises:
            UserError: A key or value is wrong; a file to write exists or has the wrong suffix; runs or images are
                missing, or in another order; the runs do not form an ensemble.
        """
        named = self.paths[0] if self.paths else Path("nothing")
        if other := exported_kind(named):
            raise UserError(f"{named} holds a {other[0]}: `{other[1].use.format(folder=named)}` uses it")
        if not self.model_paths:
            remedy = "name a finished run's folder first, then the images"
            raise UserError(f"{named} is not a run of Karyocyte, nor a portable model: {remedy}")
        if not self.places:
            raise UserError("no images are named: add a folder, a zip or files after the runs")
        if self.paths[: len(self.model_paths)] != self.model_paths:
            raise UserError(f"{self.model_paths[-1]} is a run: name the runs first, then the images")
        self.check_output()
        for place in self.places:
            if not place.exists():
                raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        self.model.check()

    def check_output(self) -> None:
        """Check that nothing is where the tables are to be written."""
        if self.output.suffix.lower() != ".csv":
            table = shlex.quote(str(self.output.with_suffix(".csv")))
            raise UserError(f"--output {self.output}: a CSV file is written: end its name in .csv, `--output {table}`")
        for written in (self.output, self.parquet):
            if written.exists() and not self.unfinished.exists():
                another = shlex.quote(str(free_name(self.output)))
                raise UserError(f"{written} exists already: name another, `--output {another}`, or move it away")

"""The options of scripts/predict.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.config.command import Command
from common.config.predict import PredictConfig
from common.errors import UserError
from workflows.members import LoadOptions
from workflows.models import PortableNetworks, RunsModel, is_model, open_model


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """The options of scripts/predict.py, which explains them."""

    words: Sequence[str]
    output: Path
    sheet: Path | None = None

    @cached_property
    def command(self) -> Command:
        """The paths and the settings among the words."""
        return Command(self.words, PredictConfig)

    @property
    def settings(self) -> PredictConfig:
        """The keys of conf/predict.yaml."""
        return self.command[PredictConfig]

    @cached_property
    def model(self) -> RunsModel | PortableNetworks:
        """The runs, the ensemble or the portable model among the paths."""
        return open_model([path for path in self.command.paths if is_model(path)])

    @cached_property
    def places(self) -> list[Path]:
        """The folders, zip files and files of images among the paths."""
        return [path for path in self.command.paths if not is_model(path)]

    @property
    def options(self) -> LoadOptions:
        """How the networks are loaded: only a single one has passes."""
        settings = self.settings
        alone = isinstance(self.model, RunsModel) and len(self.model.members) == 1
        return LoadOptions(
            batchnorm=settings.batchnorm, runtime=settings.runtime, passes=settings.passes if alone else 0
        )

    @property
    def parquet(self) -> Path:
        """The parquet file to write."""
        return self.output.with_suffix(".parquet")

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key or value is wrong; a file to write exists or has the wrong suffix; runs or images are
                missing, or in another order; the runs do not form an ensemble.
        """
        paths = self.command.paths
        if not paths:
            raise UserError("no run is named: name a finished run's folder first, then the images")
        if not is_model(paths[0]) and not any(map(is_model, paths)):
            raise UserError(
                f"{paths[0]} is not a run of Karyocyte, nor a portable model: name a finished run's folder first, "
                "then the images"
            )
        if not self.places:
            raise UserError("no images are named: add a folder, a zip or files after the runs")
        last = [path for path in paths if is_model(path)][-1]
        if last in paths[-len(self.places) :]:
            raise UserError(f"{last} is a run: name the runs first, then the images")
        self._check_outputs()
        for place in self.places:
            if not place.exists():
                raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        settings = self.settings
        self.model.check(LoadOptions(runtime=settings.runtime, passes=settings.passes))
        if settings.accuracy is not None:
            self._check_accuracy(settings.accuracy)

    def _check_accuracy(self, accuracy: float) -> None:
        if isinstance(self.model, PortableNetworks):
            raise UserError(f"accuracy={accuracy:g}: {self.model.named} keeps the target of its run: leave it out")
        if "confidence" not in (self.settings.rules or ()) and self.model.facts.positive_class is not None:
            raise UserError(f"accuracy={accuracy:g} is of the rule confidence: add rules=confidence")

    def _check_outputs(self) -> None:
        """Check that the files to write have the right suffix, and that none exists."""
        for option, path, suffix in (("--output", self.output, ".csv"), ("--sheet", self.sheet, ".png")):
            if path and path.suffix.lower() != suffix:
                raise UserError(f"{option} {path}: a {suffix[1:].upper()} file is written: end its name in {suffix}")
        for written in (self.output, self.parquet, self.sheet):
            if written is not None and written.exists():
                raise UserError(f"{written} exists already: name another, or move it away")

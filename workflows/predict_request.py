"""The options of scripts/predict.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.config.command import Command
from common.config.predict import PredictConfig
from common.errors import UserError
from common.runs.portable import PortableModel
from common.runs.run import Run
from workflows.members import check_members, members_of
from workflows.prediction.parts import has_written


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
    def paths(self) -> list[Path]:
        """The runs or the portable model, then the images."""
        return self.command.paths

    @property
    def settings(self) -> PredictConfig:
        """The keys of conf/predict.yaml."""
        return self.command[PredictConfig]

    @cached_property
    def portable(self) -> PortableModel | None:
        """The portable model that is named in place of runs; None without one."""
        first = self.paths[0]
        return PortableModel(first) if PortableModel.is_portable(first) else None

    @cached_property
    def runs(self) -> list[Run]:
        """The runs and ensembles among the paths."""
        return [Run(path) for path in self.paths if Run.is_run(path)]

    @cached_property
    def places(self) -> list[Path]:
        """The folders, zip files and files of images among the paths."""
        paths = self.paths[1:] if self.portable else self.paths
        return [path for path in paths if not Run.is_run(path)]

    @cached_property
    def members(self) -> list[Run]:
        """The runs, with the members of an ensemble, which must be no ensembles, in place of its folder."""
        return members_of(self.runs)

    @property
    def parquet(self) -> Path:
        """The parquet file to write."""
        return self.output.with_suffix(".parquet")

    @property
    def parts(self) -> Path:
        """The folder of what is predicted already, until the table is finished."""
        return self.output.with_suffix(".parts")

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key or value is wrong; a file to write exists or has the wrong suffix; runs or images are
                missing, or in another order; the runs do not form an ensemble.
        """
        if not self.paths:
            raise UserError("no run is named: name a finished run's folder first, then the images")
        if not self.runs and not self.portable:
            raise UserError(
                f"{self.paths[0]} is not a run of Karyocyte, nor a portable model: name a finished run's folder first, "
                "then the images"
            )
        if not self.places:
            raise UserError("no images are named: add a folder, a zip or files after the runs")
        if self.portable:
            self._check_portable(self.portable)
        elif [run.folder for run in self.runs] != list(self.paths[: len(self.runs)]):
            raise UserError(f"{self.runs[-1].folder} is a run: name the runs first, then the images")
        self.check_outputs()
        for place in self.places:
            if not place.exists():
                raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        if not self.portable:
            self._check_members()
            self._check_accuracy()

    def _check_portable(self, model: PortableModel) -> None:
        others = [path for path in self.paths[1:] if Run.is_run(path) or PortableModel.is_portable(path)]
        if others:
            raise UserError(f"{model.folder} is a portable model: it predicts alone, leave {others[0]} out")
        settings = self.settings
        if settings.passes:
            raise UserError(
                f"passes={settings.passes}: {model.folder} is a portable model, without passes: leave it out"
            )
        if settings.accuracy is not None:
            raise UserError(f"accuracy={settings.accuracy:g}: {model.folder} keeps the target of its run: leave it out")
        _ = model.description

    def _check_accuracy(self) -> None:
        accuracy = self.settings.accuracy
        uses_it = "confidence" in (self.settings.rules or ()) or self.members[0].data.positive_class is None
        if accuracy is not None and not uses_it:
            raise UserError(f"accuracy={accuracy:g} is of the rule confidence: add rules=confidence")

    def check_outputs(self) -> None:
        """Check the files to write.

        Raises:
            UserError: One has the wrong suffix, or exists, unless it is of an interrupted command that is finished now.
        """
        for option, path, suffix in (("--output", self.output, ".csv"), ("--sheet", self.sheet, ".png")):
            if path and path.suffix.lower() != suffix:
                raise UserError(f"{option} {path}: a {suffix[1:].upper()} file is written: end its name in {suffix}")
        for written in (self.output, self.parquet, self.sheet):
            if written is not None and written.exists() and not has_written(self.parts):
                raise UserError(f"{written} exists already: name another, or move it away")

    def _check_members(self) -> None:
        passes, runtime = self.settings.passes, self.settings.runtime
        if runtime:
            raise UserError(f"runtime={runtime} is for portable models; runs are computed by torch: leave it out")
        check_members(self.runs, self.members)
        if passes and len(self.members) > 1:
            raise UserError(
                f"passes={passes}: of {len(self.members)} members each has one vote: leave it out, or name one run"
            )

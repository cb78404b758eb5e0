"""The folder of a run: the one place that reads and writes its files."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from karyocyte.common.checksums import FILE as CHECKSUMS
from karyocyte.common.checksums import Checksums
from karyocyte.common.cli import warn_once
from karyocyte.common.errors import UserError, first_fault, typed
from karyocyte.common.files import (
    read_csv,
    read_json,
    read_typed,
    read_whole_json,
    read_yaml,
    sha256_of_file,
    write_csv,
    write_json,
    write_text,
)
from karyocyte.common.text import natural_key
from karyocyte.config.defaults import section_defaults
from karyocyte.config.schema import Config, TrainingConfig, configuration_of
from karyocyte.runs.facts import DataFacts, ModelFacts, PredictionSettings, Progress, RunStatus
from karyocyte.runs.files import NOT_RECORDED, RunFile, RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from karyocyte.runs.ensemble import EnsembleFile
    from karyocyte.runs.predictions import Predictions

EXAMPLE = "name a finished run's folder, such as outputs/<name>/<fold>/seed=0, its experiment, or latest"
DETAILS = "\nThe whole evaluation\n\n"  # in summary.txt, below what the terminal shows
# Files of which every run has at least one from its start on; an external validation or an ensemble has the last two.
MARKS = (RunFile.IDENTITY, RunFile.STATUS, RunFile.PREDICTIONS)
EXPORT_AGAIN = "export it again with scripts/export.py; a model of this repository is restored by git checkout models"
SPLIT_COLUMNS = ("image_id", "path", "label", "subject", "sha256", "part")
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Run:
    """A run's folder, that of an ensemble, or an export of either; files are read once, when they are asked for.

    A ``UserError`` names a file that is missing or damaged; some properties are empty without their file.
    """

    folder: Path

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Return the run at a folder, or at a file in it; a ``UserError`` says that there is none."""
        path = Path(path)
        folder = path.parent if path.is_file() else path
        if not cls.is_run(folder):
            problem = "is not a run of Karyocyte" if folder.exists() else "does not exist"
            raise UserError(f"{path} {problem}: {EXAMPLE}")
        return cls(folder)

    @classmethod
    def open_finished(cls, path: Path) -> "Run":
        """Return the finished run at a folder, or at a file in it; a ``UserError`` says that there is none."""
        run = cls.open(path)
        if not run.is_finished:
            run.check_list()
            state = run.status.state or "no status"
            raise UserError(f"{run.folder} is not finished ({state}): {EXAMPLE}")
        run.checked(RunFile.STATUS)
        return run

    @classmethod
    def open_trained(cls, path: Path) -> "Run":
        """Return the finished run, or the export, in a folder; a ``UserError`` says that there is none."""
        return cls(path) if cls.is_export(path) else cls.open_finished(path)

    @staticmethod
    def is_run(folder: Path) -> bool:
        """Tell whether a folder holds a run, finished or not."""
        return any((Path(folder) / mark).is_file() for mark in MARKS)

    @staticmethod
    def is_export(folder: Path) -> bool:
        """Tell whether a folder holds a run without the files of its training, also one whose export.json is lost."""
        folder = Path(folder)
        if (folder / RunFile.EXPORT).is_file():
            return True
        return not Run.is_run(folder) and ((folder / RunFile.ENSEMBLE).is_file() or any(folder.glob("*.safetensors")))

    @classmethod
    def find(cls, folder: Path) -> list["Run"]:
        """Return the run in a folder, or else those anywhere below it, sorted by path."""
        if cls.is_run(folder):
            return [cls(folder)]
        files = chain.from_iterable(map(folder.rglob, map(str, MARKS)))
        return list(map(cls, sorted({file.parent for file in files})))

    def path(self, file: RunFile) -> Path:
        """Return the path of a file of the run, whether it exists or not."""
        return self.folder / file

    def has(self, file: RunFile) -> bool:
        """Tell whether the run has a file."""
        return self.path(file).is_file()

    @cached_property
    def checksums(self) -> Checksums:
        """The list of the files of a finished run."""
        if Run.is_export(self.folder):
            return Checksums(self.folder, RunFile.EXPORT, EXPORT_AGAIN)
        first = next((mark for mark in (RunFile.ENSEMBLE, *MARKS) if self.has(mark)), RunFile.IDENTITY)
        command = read_whole_json(self.path(RunFile.ENVIRONMENT)).get("command")
        again = f": python {shlex.join(command)}" if command else ""
        return Checksums(self.folder, first, f"bring it back, or move {self.folder} away and make it again{again}")

    @property
    def has_checksums(self) -> bool:
        """Whether the run was finished, and its files were recorded."""
        return (self.folder / CHECKSUMS).is_file()

    def checked(self, file: str) -> Path:
        """Return the path of a file, by its path in the folder; of a finished run it must be as it was recorded."""
        self.check_list()
        return self.checksums.checked(str(file)) if self.has_checksums else self.folder / file

    def check_list(self) -> None:
        """Refuse a run that says that it is finished and lacks the list of its files: any could be another's."""
        if self.status.state == "finished" and not self.has_checksums:
            remedy = "the same command of train.py completes it"
            raise UserError(f"{self.folder} has no {CHECKSUMS}, as a run of an earlier version: {remedy}")

    def record(self) -> None:
        """Record the files as they are now: from here on none may change but by the methods of this class."""
        files = [str(file) for file in RunFile if file not in NOT_RECORDED and self.has(file)]
        logs = [str(path.relative_to(self.folder)) for path in self._logs()]
        self.checksums.write([*files, *logs, *filter(None, [self.status.best])])

    def record_made(self, *paths: Path) -> None:
        """Record files that a command makes of a finished run, such as figures and heat maps."""
        if self.has_checksums:
            for path in paths:
                self.checksums.add(str(path.relative_to(self.folder)))

    @cached_property
    def raw_config(self) -> dict[str, Any]:
        """The content of config.yaml, unchecked; empty without the file."""
        return self._read_mapping(RunFile.CONFIG, read_yaml)

    @cached_property
    def config(self) -> Config:
        """The configuration that a classifier was trained with, see ``any_config``."""
        if self.recipe not in ("classifier", None):
            raise UserError(f"{self.folder} is the run of a {self.recipe}: name that of a classifier")
        return cast(Config, self.any_config)

    @property
    def recipe(self) -> str | None:
        """The kind of the network, such as "classifier"; None without a configuration, as of an ensemble."""
        return self.raw_config.get("recipe", "classifier") if self.raw_config else None

    @cached_property
    def any_config(self) -> TrainingConfig:
        """The configuration of a run of any kind of network; a cache that cannot be written becomes this user's."""
        config = self.settings(configuration_of(self.recipe or "classifier"))
        cache = Path(config.cache_dir).absolute()
        existing = next(folder for folder in (cache, *cache.parents) if os.access(folder, os.F_OK))
        if os.access(existing, os.W_OK | os.X_OK):
            return config
        own = section_defaults("train")["cache_dir"]
        warn_once(f"cache_dir={config.cache_dir} of the run cannot be written to: {own} is used instead")
        return config.model_copy(update={"cache_dir": own})

    @cached_property
    def prediction(self) -> PredictionSettings:
        """What predictions of new images by a classifier depend on."""
        return self.settings(PredictionSettings)

    def settings(self, kind: type[Facts]) -> Facts:
        """Return those keys of config.yaml that a class has; the configuration of an export has no others."""
        settings = self._typed(RunFile.CONFIG, self.raw_config, kind)
        if missing := _missing_key(TypeAdapter(kind).dump_python(settings, mode="json"), self.raw_config):
            raise self._other_code(f"{RunFile.CONFIG} has no {missing}")
        return settings

    @cached_property
    def status(self) -> RunStatus:
        """How far the run is; its ``state`` is None without the file."""
        path = self.path(RunFile.STATUS)
        values = read_whole_json(path)
        return typed(RunStatus, {**values, "state": values.get("status")}, f"{path} is damaged", "repair or remove it")

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended well, and its files are recorded."""
        return self.status.state == "finished" and self.has_checksums

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The content of identity.json; empty without the file."""
        return self._read_mapping(RunFile.IDENTITY)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Command, versions, platform and revisions of the code; empty without the file."""
        return self._read_mapping(RunFile.ENVIRONMENT)

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions of the code that the run was made with, oldest first."""
        return tuple(self.environment.get("revisions") or ())

    @cached_property
    def data(self) -> DataFacts:
        """Facts of the data set."""
        return self._typed(RunFile.DATA, self._read_mapping(RunFile.DATA), DataFacts)

    @cached_property
    def model(self) -> ModelFacts:
        """What describes the network beside the configuration."""
        return self._typed(RunFile.MODEL, self._read_mapping(RunFile.MODEL), ModelFacts)

    @cached_property
    def predictions(self) -> "Predictions":
        """The probabilities of the validation and test images."""
        from karyocyte.runs.predictions import read_predictions

        return read_predictions(self.checked(RunFile.PREDICTIONS))

    @cached_property
    def predictions_train(self) -> "Predictions | None":
        """The probabilities of training images, by the chosen weights; None where there are none."""
        from karyocyte.runs.predictions import read_predictions

        path = self.checked(RunFile.PREDICTIONS_TRAIN)
        return read_predictions(path) if path.is_file() else None

    @cached_property
    def split(self) -> "pd.DataFrame":
        """A row per image of the data set.

        Columns image_id, path, label, subject, sha256 and part, all str; label and subject are None where unknown.
        """
        path = self.checked(RunFile.SPLIT)
        if not path.is_file():
            raise UserError(f"{self.folder} has no {RunFile.SPLIT}, which lists its images: {EXAMPLE}")
        # A subject may be named 007 or NA: nothing is converted.
        try:
            frame = read_csv(path, dtype=str, keep_default_na=False)
        except ValueError as error:  # pandas' parser errors and decoding errors are ValueErrors
            raise UserError(f"{path} is not a readable table: {EXAMPLE}") from error
        absent = [name for name in SPLIT_COLUMNS if name not in frame]
        if absent:
            raise UserError(f"{path} has no column {absent[0]}: {EXAMPLE}")
        for column in ("label", "subject"):
            frame[column] = frame[column].where(frame[column] != "", None)
        return frame

    @cached_property
    def history(self) -> "pd.DataFrame":
        """The learning curves: a row per epoch of each stage, columns stage, epoch and the logged metrics.

        Empty where nothing was logged. An epoch that was trained twice counts once, by its later record.
        """
        import pandas as pd

        for name in self.checksums.listed if self.status.state == "finished" else ():
            if name.startswith(f"{RunFolder.LOGS}/"):  # none in runs of earlier versions
                self.checked(name)
        tables = []
        for path in self._logs():
            stage = path.parts[-3]
            whole_lines, _, _ = path.read_text(encoding="utf-8").rpartition("\n")  # a full disk may have cut the last
            if "\n" in whole_lines:  # there is a row below the header
                tables.append(pd.read_csv(StringIO(whole_lines)).assign(stage=stage.split("-", 1)[1]))
        if not tables:
            return pd.DataFrame()
        logged = pd.concat(tables, ignore_index=True)
        return logged.groupby(["stage", "epoch"], as_index=False, sort=False).last()

    def _logs(self) -> list[Path]:
        """Return the tables of what each stage logged, those of an interrupted stage in order."""
        logs = (self.folder / RunFolder.LOGS).glob("*-*/version_*/metrics.csv")
        return sorted(logs, key=lambda path: natural_key(str(path)))

    @cached_property
    def progress(self) -> Progress:
        """How far the training is; without the file, or with a damaged one, as before its start."""
        try:
            return TypeAdapter(Progress).validate_python(read_whole_json(self.path(RunFile.PROGRESS)))
        except ValidationError:
            return Progress()

    @cached_property
    def usage(self) -> dict[str, Any] | None:
        """Time, processor and device that the run took, see ``measured``; None where it was not measured."""
        return read_whole_json(self.path(RunFile.USAGE)) or None

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json; empty where the run was not evaluated."""
        return self._read_mapping(RunFile.METRICS)

    @property
    def is_ensemble(self) -> bool:
        """Whether the predictions are those of several runs."""
        return self.has(RunFile.ENSEMBLE)

    @cached_property
    def ensemble(self) -> "EnsembleFile":
        """Method, members and weights of an ensemble."""
        from karyocyte.runs.ensemble import SCHEMA_VERSION, EnsembleFile

        path = self.checked(RunFile.ENSEMBLE)
        return read_typed(path, EnsembleFile, SCHEMA_VERSION, "make the ensemble again")

    @property
    def thumbnails(self) -> Path:
        """The file of small test images, which may be missing."""
        return self.checked(RunFile.THUMBNAILS)

    @property
    def heatmaps(self) -> list[Path]:
        """The files of heat maps, one per method and layer, which their stem names; a table may lie beside each."""
        paths = []
        pattern = f"{RunFolder.HEATMAPS}/*.parquet"
        recorded = [self.folder / name for name in self.checksums.listed if fnmatch(name, pattern)]
        for path in sorted({*recorded, *self.folder.glob(pattern)}):
            name = path.relative_to(self.folder)
            if self.has_checksums and path not in recorded or not path.is_file():
                again = f"`python scripts/explain.py heatmaps {shlex.quote(str(self.folder))}` draws such maps anew"
                fault = f"is passed over, it is not in {CHECKSUMS}" if path.is_file() else "is missing"
                warn_once(f"{path} {fault}: {again}")
                continue
            self.checked(str(name))
            self.checked(str(name.with_suffix(".csv")))
            paths.append(path)
        return paths

    @property
    def best_checkpoint(self) -> Path:
        """The file of the best weights, see ``checked``."""
        if Run.is_export(self.folder):
            return self.checked(RunFile.WEIGHTS)
        if self.status.best is None:
            raise UserError(f"{self.folder} has no trained weights ({self.status.state or 'no status'}): {EXAMPLE}")
        if Path(self.status.best).is_absolute() or ".." in Path(self.status.best).parts:
            raise UserError(f"{self.path(RunFile.STATUS)}: best={self.status.best} is outside of the run: repair it")
        return self.checked(self.status.best)

    def check(self, path: Path, sha256: str) -> None:
        """Compare a file of a run that goes on with its SHA-256; a ``UserError`` says that it is damaged."""
        if sha256_of_file(path) != sha256:
            raise UserError(f"{path} is damaged: {self.checksums.remedy}")

    def last_change(self) -> float | None:
        """Return when a file of the run or of its stages was last written, in seconds since the epoch."""
        times = []
        for file in self.folder.rglob("*"):
            with suppress(OSError):  # it was replaced in this moment
                times.append(file.stat().st_mtime)
        return max(times, default=None)

    def write_status(self, state: str, **facts: Any) -> None:
        """Write status.json; ``facts`` are the other fields of ``RunStatus``, those left out are not kept.

        The files of a "finished" run are recorded, as ``record`` does.
        """
        self.write_json(RunFile.STATUS, {"status": state, **facts})
        if state == "finished":
            self.record()

    def write_config(self, values: Mapping[str, Any]) -> None:
        """Write config.yaml from plain values, such as those of ``model_dump``."""
        write_text(self.path(RunFile.CONFIG), yaml.safe_dump(dict(values), sort_keys=False))
        self._written(RunFile.CONFIG)

    def write_split(self, frame: "pd.DataFrame") -> None:
        """Write split.csv; see ``split`` for the columns."""
        write_csv(self.path(RunFile.SPLIT), frame)
        self._written(RunFile.SPLIT)

    def write_predictions(self, predictions: "Predictions", file: RunFile = RunFile.PREDICTIONS) -> None:
        """Write predictions.parquet; those of training images, of part "train", to PREDICTIONS_TRAIN."""
        from karyocyte.runs.predictions import write_predictions

        write_predictions(self.path(file), predictions)
        self._written(file)

    def write_summary(self, shown: str, details: str = "") -> None:
        """Write summary.txt: what the terminal shows, and the whole evaluation below it."""
        if details:
            shown += DETAILS + details
        write_text(self.path(RunFile.SUMMARY), shown)

    def write_json(self, file: RunFile, value: Mapping[str, Any]) -> None:
        """Write one of the JSON files, whole or not at all."""
        write_json(self.path(file), value)
        self._written(file)

    def _read_mapping(self, file: RunFile, read: Callable[[Path], Any] = read_json) -> dict[str, Any]:
        path = self.checked(file)
        if not path.is_file():
            return {}
        values = read(path) or {}
        if not isinstance(values, dict):
            raise UserError(f"{path} holds no mapping: repair or remove it")
        return values

    def _typed(self, file: RunFile, values: dict[str, Any], kind: type[Facts]) -> Facts:
        fault = f"it has no {file}"
        if self.has(file):
            try:
                return TypeAdapter(kind).validate_python(values)
            except ValidationError as error:
                fault = f"{file}: {first_fault(error)}"
        raise self._other_code(fault)

    def _other_code(self, fault: str) -> UserError:
        if Run.is_export(self.folder):
            return UserError(f"{self.folder} lacks what is needed ({fault}): {EXPORT_AGAIN}")
        remedy = "train it again"
        if self.revisions:
            remedy += f", or use revision {', '.join(self.revisions)}"
        return UserError(f"{self.folder} was written by other code ({fault}): {remedy}")

    def _written(self, file: RunFile) -> None:
        """Record a file of a finished run that was written again, and read all files again from here on."""
        if self.has_checksums and file not in NOT_RECORDED:
            self.checksums.add(file)
        for name in self.__dict__.keys() - {"folder"}:
            del self.__dict__[name]


def _missing_key(needed: Mapping[str, Any], values: Any, above: str = "") -> str | None:
    """Return the first key of a configuration that a file lacks, which would be at the default of today."""
    for key, value in needed.items():
        if not isinstance(values, dict) or key not in values:
            return f"{above}{key}"
        if isinstance(value, dict) and (missing := _missing_key(value, values[key], f"{above}{key}.")):
            return missing
    return None


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Open the runs at folders or files in them; none may be named twice."""
    runs = list(map(Run.open, paths))
    check_different(paths, [run.folder for run in runs])
    return runs


def check_different(words: Sequence[Path], paths: Sequence[Path]) -> None:
    """Check that the words of a command line name different paths; a ``UserError`` says which is named twice."""
    seen: set[Path] = set()
    for word, path in zip(words, map(Path.resolve, paths), strict=True):
        if path in seen:
            raise UserError(f"{word} is named twice: name each run once")
        seen.add(path)

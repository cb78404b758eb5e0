"""The arguments of scripts/evaluate.py --on and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonpath, relpath
from pathlib import Path

from common.arguments import new_folder
from common.errors import UserError
from common.runs.run import Run

KEYS = ("data", "data_dir", "cache_dir")  # of the configuration: they name a data set


@dataclass(frozen=True)
class ExternalRequest:
    """An evaluation of runs on another data set.

    Attributes:
        on: Hydra overrides that name the data set.
        class_map: Pairs of ``--map``.
        output: The folder to write.
        csv: The table of results to extend.
        label: Label of the rows in the table.
        submission: The file for a challenge.
        codes: Pairs of ``--codes``: what the submission contains for each class.
    """

    on: Sequence[str]
    class_map: Sequence[str] = ()
    output: Path | None = None
    csv: Path | None = None
    label: str = ""
    submission: Path | None = None
    codes: Sequence[str] = ()

    def check(self, runs: Sequence[Run]) -> None:
        """Check the arguments as far as this is possible without a model and without the images.

        Raises:
            UserError: An argument is missing or does not fit the others, a file to write exists, or a run is an
                ensemble, unfinished or itself an evaluation on another data set.
        """
        if not self.on:
            raise UserError("--map, --submission and --codes are about another data set: name it with --on data=...")
        if self.output is None and self.submission is None:
            raise UserError("--on writes a folder like a run's for each run: add --output")
        if self.codes and self.submission is None:
            raise UserError(f"--codes {' '.join(self.codes)}: these are codes of a submission: add --submission FILE")
        self._check_overrides()
        for run in runs:
            if run.is_ensemble:
                combine = "name its members, and combine their evaluations (scripts/ensemble.py)"
                raise UserError(f"{run.folder} is an ensemble: {combine}")
            if run.status.tested is not None:
                tested = run.status.tested
                raise UserError(f"{run.folder} is an evaluation on another data set: name the run itself, {tested}")
            Run.open_finished(run.folder)
        for folder in self.folders(runs):
            new_folder(folder)
        if self.submission and self.submission.exists():
            raise UserError(f"{self.submission} exists already: name another --submission, or move it away")

    def folders(self, runs: Sequence[Run]) -> list[Path]:
        """Return the folder of each run: ``output`` for one run, else the differing path below it; [] without."""
        if self.output is None:
            return []
        if len(runs) == 1:
            return [self.output]
        resolved = [run.folder.resolve() for run in runs]
        shared = commonpath(resolved)
        return [self.output / relpath(folder, shared) for folder in resolved]

    @property
    def keys(self) -> list[str]:
        """The keys of the overrides."""
        return [override.partition("=")[0].lstrip("+") for override in self.on]

    def _check_overrides(self) -> None:
        for override, key in zip(self.on, self.keys, strict=True):
            if "=" not in override or not (key in KEYS or key.startswith("data.")):
                names = "data=<source>, data.<key>=..., data_dir=... and cache_dir=..."
                raise UserError(f"--on {override}: it takes {names}; all else is the run's own")
        if "data" not in self.keys:
            raise UserError(f"--on {' '.join(self.on)}: name the source of the other data set, such as data=folder")

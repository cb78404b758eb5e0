"""The arguments of scripts/predict.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.errors import UserError
from common.runs.ensemble import member_folders
from common.runs.files import RunFile
from common.runs.run import Run

RULES = ("votes", "joint", "release", "positive")


@dataclass(frozen=True)
class PredictionRequest:
    """A prediction of image files by a run, or by several as an ensemble.

    Attributes:
        runs: Finished runs, or the folders of ensembles.
        places: Folders, zip files and files of images.
        output: The CSV file to write; a parquet file of the same name is written beside it.
        passes: Passes of Monte Carlo dropout; None: as configured in the run.
        folder_labels: Whether the names of the images' folders are their true classes.
        rules: Names of RULES; None: the usual ones.
        sheet: The PNG file of the contact sheet.
        cache_dir: The folder below which zip files are unpacked; None: that of the first run.
    """

    runs: tuple[Run, ...]
    places: tuple[Path, ...]
    output: Path
    passes: int | None = None
    folder_labels: bool = False
    rules: tuple[str, ...] | None = None
    sheet: Path | None = None
    cache_dir: Path | None = None

    @cached_property
    def members(self) -> tuple[Run, ...]:
        """The runs, with the members of an ensemble in place of its folder.

        Raises:
            UserError: An ensemble lacks a member, or a member is itself an ensemble.
        """
        members: list[Run] = []
        for run in self.runs:
            of_run = _members_of(run)
            nested = [member for member in of_run if member != run and member.is_ensemble]
            if nested:
                member = nested[0].folder
                raise UserError(f"{run.folder} has a member that is an ensemble, {member}: name an ensemble of runs")
            members += of_run
        return tuple(members)

    @property
    def parquet(self) -> Path:
        """The parquet file to write."""
        return self.output.with_suffix(".parquet")

    def check(self) -> None:
        """Check the arguments as far as this is possible without a model and without the images.

        Raises:
            UserError: A file to write exists or has the wrong suffix; a place is missing; a rule is unknown or needs
                votes that do not exist; the runs do not form an ensemble.
        """
        self._check_outputs()
        for place in self.places:
            if not place.exists():
                raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        unknown = [rule for rule in self.rules or () if rule not in RULES]
        if unknown:
            raise UserError(f"--rules {unknown[0]} is no rule: choose among {', '.join(RULES)}")
        self._check_members()
        if self.passes and len(self.members) > 1:
            raise UserError(
                f"--passes {self.passes}: of {len(self.members)} members each has one vote: leave it out, or name one "
                "run"
            )

    def _check_outputs(self) -> None:
        files = [("--output", self.output, ".csv")]
        if self.sheet:
            files.append(("--sheet", self.sheet, ".png"))
        for option, path, suffix in files:
            if path.suffix.lower() != suffix:
                raise UserError(f"{option} {path}: a {suffix[1:].upper()} file is written: end its name in {suffix}")
        for written in (self.output, self.parquet, self.sheet):
            if written is not None and written.exists():
                raise UserError(f"{written} exists already: name another, or move it away")

    def _check_members(self) -> None:
        for run in self.runs:
            if len(self.runs) > 1 and run.has(RunFile.ENSEMBLE) and run.ensemble.method != "average":
                raise UserError(
                    f"{run.folder} has fitted weights, which hold for its own members alone: name no other run"
                )
        first = self.members[0]
        resolved: set[Path] = set()
        for member in self.members:
            folder = member.folder
            if folder.resolve() in resolved:
                raise UserError(f"{folder} is named twice: name each member of the ensemble once")
            resolved.add(folder.resolve())
            Run.open_finished(folder)
            if member.config.prepare.scales_by_cell:
                raise UserError(
                    f"{folder} scales each chromosome with its whole cell (prepare.canvas.scale_by=cell), which is "
                    "unknown for single files: name another run"
                )
            if member.data.classes != first.data.classes:
                raise UserError(
                    f"{first.folder} has the classes {', '.join(first.data.classes)}, {folder} "
                    f"{', '.join(member.data.classes)}: name runs of one task"
                )


def split_arguments(paths: Sequence[Path]) -> tuple[tuple[Run, ...], tuple[Path, ...]]:
    """Split the arguments of the command line into the runs, which come first, and the places of the images.

    Raises:
        UserError: One of the two is missing, or a run follows a place.
    """
    runs = [path for path in paths if Run.is_run(path)]
    places = [path for path in paths if not Run.is_run(path)]
    if not runs:
        raise UserError(f"{paths[0]} is not a run of Karyocyte: name a finished run's folder first, then the images")
    if not places:
        raise UserError("no images are named: add a folder, a zip or files after the runs")
    if list(paths[: len(runs)]) != runs:
        raise UserError(f"{runs[-1]} is a run: name the runs first, then the images")
    return tuple(Run(path) for path in runs), tuple(places)


def parse_rules(text: str | None) -> tuple[str, ...] | None:
    """Return the rules of "votes,joint"; None where none are given."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _members_of(run: Run) -> list[Run]:
    if run.has(RunFile.ENSEMBLE):
        return [Run(folder) for folder in member_folders(run.folder, run.ensemble)]
    return [Run(Path(member)) for member in run.status.members] or [run]

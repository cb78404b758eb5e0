"""The runs that a command line names for prediction, the members of ensembles among them, and how they are loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.runs.ensemble import member_folders
from common.runs.files import RunFile
from common.runs.lifecycle import other_revisions
from common.runs.portable import TrainingFacts
from common.runs.run import DataFacts, Run

# A file in several parts belongs to the first of these.
PARTS = ("train", "validation", "test", "unused")
COMPOSED_WARNING = (
    "this run learned from karyograms composed of single chromosomes (data.source=composed_karyograms): images from "
    "other sources differ in layout, background and marks, and the run's figures do not hold for them"
)
SYNTHETIC_WARNING = "this run learned from drawn images (SYNTHETIC): its predictions of real ones mean nothing"


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How networks are loaded.

    Attributes:
        batchnorm: "trained" or "images"; None: as each was trained.
        runtime: Of a portable model, "torch" or "onnx"; None: torch where it is installed.
        passes: Of Monte Carlo dropout; None: as many as the run has.
        out_of_distribution: The share of validation images that would be marked; None: that of each run.
    """

    batchnorm: str | None = None
    runtime: str | None = None
    passes: int | None = 0
    out_of_distribution: float | None = None


def members_of(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, with the members of an ensemble, which must be no ensembles, in place of its folder."""
    members: list[Run] = []
    for run in runs:
        if run.has(RunFile.ENSEMBLE):
            folders = member_folders(run.folder, run.ensemble)
        else:
            folders = [Path(member) for member in run.status.members]
        for folder in folders:
            if Run(folder).is_ensemble:
                raise UserError(f"{run.folder} has a member that is an ensemble, {folder}: name an ensemble of runs")
        members += [Run(folder) for folder in folders] or [run]
    return members


def check_members(runs: Sequence[Run], members: Sequence[Run]) -> None:
    """Check that the ``members`` of ``runs`` form one ensemble.

    Raises:
        UserError: A member is named twice, is not finished or has other classes than the first; or an ensemble with
            fitted weights is named together with other runs.
    """
    for run in runs:
        if len(runs) > 1 and run.has(RunFile.ENSEMBLE) and run.ensemble.method != "average":
            raise UserError(f"{run.folder} has fitted weights, which hold for its own members alone: name no other run")
    first = members[0]
    resolved: set[Path] = set()
    for member in members:
        folder = member.folder
        if folder.resolve() in resolved:
            raise UserError(f"{folder} is named twice: name each member of the ensemble once")
        resolved.add(folder.resolve())
        Run.open_finished(folder)
        if member.data.classes != first.data.classes:
            raise UserError(
                f"{first.folder} has the classes {', '.join(first.data.classes)}, {folder} "
                f"{', '.join(member.data.classes)}: name runs of one task"
            )


def run_warnings(members: Sequence[Run]) -> list[str]:
    """Return warnings of runs that learned from other kinds of images, or were made by other revisions."""
    lines = source_warnings([member.data for member in members])
    for member in members:
        lines += other_revisions(member.folder)
    return list(dict.fromkeys(lines))


def learned_from(facts: DataFacts | TrainingFacts) -> str:
    """Return the source of the images that a network learned from, in words where they were drawn."""
    return "SYNTHETIC images" if facts.synthetic else str(facts.source)


def source_warnings(facts: Sequence[DataFacts | TrainingFacts]) -> list[str]:
    """Return warnings of members that learned from drawn or composed images."""
    lines = []
    if any(of_member.source == "composed_karyograms" for of_member in facts):
        lines.append(COMPOSED_WARNING)
    if any(of_member.synthetic for of_member in facts):
        lines.append(SYNTHETIC_WARNING)
    return lines


def seen_parts(members: Sequence[Run]) -> dict[str, str]:
    """Return the part of each file of the splits, by its SHA-256; the first of PARTS where it is in several."""
    parts: dict[str, str] = {}
    for part in reversed(PARTS):
        for member in members:
            if member.has(RunFile.SPLIT):
                of_part = member.split.loc[member.split["part"] == part, "sha256"]
                parts |= dict.fromkeys(of_part, part)
    return parts

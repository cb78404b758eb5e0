"""The models that predict new images: runs, an ensemble of them, an export, or a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from karyocyte.common.errors import UserError, typed
from karyocyte.config.data import PrepareConfig
from karyocyte.config.defaults import section_defaults
from karyocyte.config.task import check_same_classes
from karyocyte.runs.ensemble import member_folders
from karyocyte.runs.export import ClassifierExport, read_export
from karyocyte.runs.facts import DataFacts
from karyocyte.runs.files import RunFile
from karyocyte.runs.lifecycle import other_revisions
from karyocyte.runs.run import EXPORT_AGAIN, Run, check_different

if TYPE_CHECKING:
    from torch import nn

    from karyocyte.evaluation.referral.choices import ReviewThresholds

# A file in several parts belongs to the last of these.
PARTS = ("unused", "test", "validation", "train")
COMPOSED_WARNING = (
    "this run learned from karyograms composed of single chromosomes (data.source=composed_karyograms): images from "
    "other sources differ in layout, background and marks, and the run's figures do not hold for them"
)
SYNTHETIC_WARNING = "this run learned from SYNTHETIC images: its predictions of real ones mean nothing"
CHECKPOINT_WARNING = (
    "a checkpoint has no predictions of validation images: there is no temperature, no threshold but 0.5 and no mark "
    "of images out of distribution, and every image is to be reviewed; no mirror image is averaged, and what it was "
    "trained on is not known: of a run, name the folder"
)


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How networks are loaded."""

    batchnorm: str | None = None  # "trained" or "images"; None: as each was trained
    with_passes: bool = False  # whether a single run computes the passes of Monte Carlo dropout that it has
    # the share of validation images that would be marked; None: that of each run
    out_of_distribution: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelSummary:
    """What is known of a model before it is loaded."""

    classes: tuple[str, ...]  # in the order of the probabilities
    positive_class: str | None  # none where there are more than two classes
    combiner: dict[str, Any] | None = None  # ``Combiner.as_dict()`` of an ensemble; None: the mean of the members
    # where zip files are unpacked
    cache_dir: Path = field(default_factory=lambda: Path(section_defaults("train")["cache_dir"]))
    # how the images of each member are prepared, with its folder
    preparations: tuple[tuple[str, PrepareConfig], ...]
    warnings: tuple[str, ...]  # what the user should know of the networks


@dataclass(frozen=True, eq=False)
class RunsModel:
    """Finished runs and ensembles, as they were named, or one export; several are an ensemble with one vote each."""

    runs: Sequence[Run]

    @cached_property
    def members(self) -> list[Run]:
        """The runs, with the members of an ensemble, which must be no ensembles, in place of its folder."""
        members: list[Run] = []
        for run in self.runs:
            if not run.is_ensemble:
                members.append(run)
                continue
            for folder in member_folders(run.folder, run.ensemble):
                if Run(folder).is_ensemble:
                    fault = f"{run.folder} has a member that is an ensemble, {folder}"
                    raise UserError(f"{fault}: name an ensemble of runs")
                members.append(Run(folder))
        return members

    @property
    def named(self) -> str:
        """The folders as they were named."""
        return ", ".join(str(run.folder) for run in self.runs)

    @cached_property
    def export(self) -> ClassifierExport | None:
        """What an export says beside the files of a run; None of runs."""
        folder = self.runs[0].folder
        return read_export(folder, ClassifierExport) if Run.is_export(folder) else None

    @cached_property
    def thresholds(self) -> "ReviewThresholds":
        """By what predictions are reviewed: what validation images chose, of an export when it was written."""
        from karyocyte.evaluation.referral.choices import ReviewThresholds  # these take seconds
        from karyocyte.inference.review_thresholds import thresholds_of_runs

        if self.export:
            place = f"{self.runs[0].path(RunFile.EXPORT)}: thresholds"
            return typed(ReviewThresholds, self.export.thresholds, place, EXPORT_AGAIN)
        return thresholds_of_runs(self.runs, self.members)

    @cached_property
    def facts(self) -> ModelSummary:
        """What the runs say of themselves."""
        preparations = [(str(member.folder), member.prediction.prepare) for member in self.members]
        warnings = source_warnings([member.data for member in self.members])
        for member in self.members:
            warnings += other_revisions(member.folder)
        first = self.members[0]
        return ModelSummary(
            classes=first.data.classes,
            positive_class=first.data.positive_class,
            # Runs, and several ensembles, are averaged.
            combiner=self.runs[0].ensemble.combiner if len(self.runs) == 1 and self.runs[0].is_ensemble else None,
            preparations=tuple(preparations),
            warnings=tuple(dict.fromkeys(warnings)),
            **({} if self.export else {"cache_dir": Path(first.config.cache_dir)}),
        )

    @cached_property
    def seen(self) -> dict[str, str]:
        """The part of the splits that an image was in, by its SHA-256; the last of PARTS where it is in several."""
        parts: dict[str, str] = {}
        for part in PARTS:
            for member in self.members:
                if member.has(RunFile.SPLIT):
                    of_part = member.split.loc[member.split["part"] == part, "sha256"]
                    parts |= dict.fromkeys(of_part, part)
        return parts

    def check(self) -> None:
        """Check that the runs form one ensemble.

        Raises:
            UserError: A member is named twice, is not finished or has other classes than the first; an ensemble with
                fitted weights is named together with other runs; or an export is damaged.
        """
        for run in self.runs:
            if len(self.runs) > 1 and run.is_ensemble and run.ensemble.method != "average":
                raise UserError(
                    f"{run.folder} has fitted weights, which hold for its own members alone: name no other run"
                )
        folders = [member.folder for member in self.members]
        check_different(folders, folders)  # two names of one folder would give it two votes
        first = self.members[0]
        _ = self.export
        for member in self.members:
            Run.open_trained(member.folder)
            check_same_classes(str(first.folder), first.data, str(member.folder), member.data, "name runs of one task")


class CheckpointModel:
    """A checkpoint of a `Classifier`, saved by any Trainer; what it has is that of `RunsModel`.

    Args:
        path: The file.
        network: The network of a classifier that was made of one of the user's own.

    Raises:
        UserError: It is no checkpoint of a classifier, or does not know its images.
    """

    def __init__(self, path: Path, network: "nn.Module | None" = None) -> None:
        from karyocyte.evaluation.referral.choices import ReviewThresholds
        from lightning_modules.modules.classifier import Classifier  # brings Lightning, which runs do without

        self.named = str(path)
        self.seen: dict[str, str] = {}  # the images of the training are unknown
        self.thresholds = ReviewThresholds()
        self.classifier = Classifier.load_from_checkpoint(path, network=network).eval()
        task = self.classifier.task
        if task is None:
            remedy = "fit its classifier with a data module of Karyocyte and save it again"
            raise UserError(f"{path} does not know its classes, nor how its images are prepared: {remedy}")
        self.facts = ModelSummary(
            classes=task.classes,
            positive_class=task.positive_class,
            preparations=((self.named, task.prepare),),
            warnings=(CHECKPOINT_WARNING,),
        )


Model = RunsModel | CheckpointModel


def open_model(paths: Sequence[Path]) -> RunsModel:
    """Open what is named as a model: runs and ensembles, or one export.

    Raises:
        UserError: It is none of them, or an export is named together with others.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist: name a finished run's folder or a portable model")
        if not is_model(path):
            remedy = "name a finished run's folder; of a checkpoint, only karyocyte.load(...).predict works"
            raise UserError(f"{path} is not a run of Karyocyte, nor a portable model: {remedy}")
        if Run.is_export(path) and len(paths) > 1:
            raise UserError(f"{path} is a portable model: it predicts alone, name no other model")
    return RunsModel(list(map(Run, paths)))


def is_model(path: Path) -> bool:
    """Tell whether a path is that of a run, an ensemble or an export."""
    return Run.is_run(path) or Run.is_export(path)


def source_warnings(facts: Sequence[DataFacts]) -> list[str]:
    """Return warnings of members that learned from synthetic or composed images."""
    lines = []
    for of_member in facts:
        if of_member.source == "composed_karyograms":
            lines.append(COMPOSED_WARNING)
        if of_member.synthetic:
            lines.append(SYNTHETIC_WARNING)
    return list(dict.fromkeys(lines))

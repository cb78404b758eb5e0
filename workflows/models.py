"""The models that predict new images: runs, an ensemble of them, or a portable model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.config.data import PrepareConfig
from common.config.defaults import section_defaults
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.portable import PortableModel
from common.runs.run import Run
from workflows.members import LoadOptions, check_members, members_of, run_warnings, seen_parts, source_warnings

if TYPE_CHECKING:
    from workflows.networks import LoadedNetwork  # with numpy and OpenCV, which a check of the options does without


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is loaded.

    Attributes:
        folders: Of the members, or of the portable model.
        classes: In the order of the probabilities.
        positive_class: None where there are more than two classes.
        combiner: ``Combiner.as_dict()`` of an ensemble; None: the mean of the members.
        cache_dir: Where zip files are unpacked.
        preparations: How the images of each member are prepared, with the folder that it is of.
        warnings: What the user should know of the networks.
    """

    folders: tuple[str, ...]
    classes: tuple[str, ...]
    positive_class: str | None
    combiner: dict[str, Any] | None
    cache_dir: Path
    preparations: tuple[tuple[str, PrepareConfig], ...]
    warnings: tuple[str, ...]


class RunsModel:
    """Finished runs and ensembles; several are an ensemble with one vote each.

    Args:
        runs: As they were named.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)

    @cached_property
    def members(self) -> list[Run]:
        """The runs, with the members of an ensemble, which must be no ensembles, in place of its folder."""
        return members_of(self.runs)

    @property
    def named(self) -> str:
        """The folders as they were named."""
        return ", ".join(str(run.folder) for run in self.runs)

    @property
    def combiner(self) -> dict[str, Any] | None:
        """How the one ensemble that is named combines its members; None for runs, which are averaged."""
        if len(self.runs) == 1 and self.runs[0].has(RunFile.ENSEMBLE):
            return self.runs[0].ensemble.combiner
        return None

    @cached_property
    def facts(self) -> ModelFacts:
        """What the runs say of themselves."""
        first = self.members[0]
        return ModelFacts(
            folders=tuple(str(member.folder) for member in self.members),
            classes=first.data.classes,
            positive_class=first.data.positive_class,
            combiner=self.combiner,
            cache_dir=Path(first.config.cache_dir),
            preparations=tuple((str(member.folder), member.config.prepare) for member in self.members),
            warnings=tuple(run_warnings(self.members)),
        )

    @cached_property
    def seen(self) -> dict[str, str]:
        """The part of the splits that an image was in, by its SHA-256."""
        return seen_parts(self.members)

    def check(self, options: LoadOptions) -> None:
        """Check that the runs can predict together.

        Raises:
            UserError: They cannot; or options do not fit them.
        """
        if options.runtime:
            raise UserError(
                f"runtime={options.runtime} is for portable models; runs are computed by torch: leave it out"
            )
        check_members(self.runs, self.members)
        if options.passes and len(self.members) > 1:
            raise UserError(
                f"passes={options.passes}: of {len(self.members)} members each has one vote: leave it out, or name one "
                "run"
            )

    def load(self, options: LoadOptions) -> "list[LoadedNetwork]":
        """Load the members."""
        from workflows.networks import load_members  # here: it takes a while

        return load_members(self.members, options)


class PortableNetworks:
    """A portable model; what it has is that of `RunsModel`.

    Args:
        model: Its folder.
    """

    def __init__(self, model: PortableModel) -> None:
        self.model = model
        self.named = str(model.folder)

    @cached_property
    def facts(self) -> ModelFacts:
        """What model.json says; a ``UserError`` says that it cannot be read."""
        description = self.model.description
        sources = source_warnings([member.training for member in description.members])
        return ModelFacts(
            folders=(self.named,),
            classes=description.classes,
            positive_class=description.positive_class,
            combiner=description.combiner,
            cache_dir=Path(section_defaults("train")["cache_dir"]),
            preparations=tuple((self.named, member.prepare) for member in description.members),
            warnings=(*sources, *description.notes),
        )

    @property
    def seen(self) -> dict[str, str]:
        """The part of the splits that an image was in: unknown to a portable model."""
        return {}

    def check(self, options: LoadOptions) -> None:
        """Check that the model can be read, and that options fit it; a ``UserError`` says what does not."""
        _ = self.facts
        if options.passes:
            raise UserError(f"passes={options.passes}: {self.named} is a portable model, without passes: leave it out")

    def load(self, options: LoadOptions) -> "list[LoadedNetwork]":
        """Load the members by torch, or by ONNX Runtime where torch is not installed."""
        from workflows.networks import load_portable  # here: it takes a while

        return load_portable(self.model, options)


def open_model(paths: Sequence[Path]) -> RunsModel | PortableNetworks:
    """Open what is named as a model: runs and ensembles, or one portable model.

    Raises:
        UserError: It is none of them, or a portable model is named together with others.
    """
    for path in paths:
        if PortableModel.is_portable(path):
            others = [other for other in paths if other != path]
            if others:
                raise UserError(f"{path} is a portable model: it predicts alone, leave {others[0]} out")
            return PortableNetworks(PortableModel(path))
    for path in paths:
        if not Run.is_run(path):
            raise UserError(f"{path} is not a run of Karyocyte, nor a portable model: name a finished run's folder")
    return RunsModel([Run(path) for path in paths])


def is_model(path: Path) -> bool:
    """Tell whether a path is that of a run, an ensemble or a portable model."""
    return Run.is_run(path) or PortableModel.is_portable(path)

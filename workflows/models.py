"""The models that predict new images: runs, an ensemble of them, or a portable model."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.config.data import PrepareConfig
from common.config.defaults import composition
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.portable import PortableModel
from common.runs.run import Run
from workflows.members import LoadOptions, check_members, members_of, run_warnings, seen_parts, source_warnings

if TYPE_CHECKING:
    from workflows.networks import LoadedNetwork  # with numpy and OpenCV, which a check of the options does without


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
    def folders(self) -> tuple[str, ...]:
        """Those of the members."""
        return tuple(str(member.folder) for member in self.members)

    @property
    def named(self) -> str:
        """The folders as they were named."""
        return ", ".join(str(run.folder) for run in self.runs)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.members[0].data.classes

    @property
    def positive_class(self) -> str | None:
        """None where there are more than two classes."""
        return self.members[0].data.positive_class

    @property
    def cache_dir(self) -> Path:
        """Where zip files are unpacked."""
        return Path(self.members[0].config.cache_dir)

    @property
    def combiner(self) -> dict[str, Any] | None:
        """``Combiner.as_dict()`` of the one ensemble that is named; None: the mean of the members."""
        if len(self.runs) == 1 and self.runs[0].has(RunFile.ENSEMBLE):
            return self.runs[0].ensemble.combiner
        return None

    @cached_property
    def seen(self) -> dict[str, str]:
        """The part of the splits that an image was in, by its SHA-256."""
        return seen_parts(self.members)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the runs."""
        return tuple(run_warnings(self.members))

    @property
    def preparations(self) -> list[tuple[str, PrepareConfig]]:
        """How the images of each member are prepared, beside its folder."""
        return [(str(member.folder), member.config.prepare) for member in self.members]

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
    """A portable model; its attributes are those of `RunsModel`.

    Args:
        model: Its folder.
    """

    def __init__(self, model: PortableModel) -> None:
        self.model = model
        self.folders = (str(model.folder),)
        self.named = str(model.folder)
        self.cache_dir = Path(composition().cache_dir)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.model.description.classes

    @property
    def positive_class(self) -> str | None:
        """None where there are more than two classes."""
        return self.model.description.positive_class

    @property
    def combiner(self) -> dict[str, Any] | None:
        """``Combiner.as_dict()`` of an ensemble; None: the mean of the members."""
        return self.model.description.combiner

    @property
    def seen(self) -> dict[str, str]:
        """The part of the splits that an image was in, by its SHA-256; empty where the model does not list them."""
        return self.model.seen

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the networks."""
        description = self.model.description
        return (*source_warnings([member.training for member in description.members]), *description.notes)

    @property
    def preparations(self) -> list[tuple[str, PrepareConfig]]:
        """How the images of each member are prepared, beside the folder."""
        return [(self.named, member.prepare) for member in self.model.description.members]

    def check(self, options: LoadOptions) -> None:
        """Check that the model can be read, and that options fit it; a ``UserError`` says what does not."""
        _ = self.model.description
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

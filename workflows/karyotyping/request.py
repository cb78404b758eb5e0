"""The options of scripts/karyotype.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.arguments import new_folder
from common.config.command import split_words
from common.config.data import PrepareConfig
from common.config.defaults import layered_value
from common.config.karyotype import KaryotypeConfig, load_karyotype_config
from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.runs.portable import REMEDY, PortableModel
from common.runs.run import Run
from workflows.members import check_members, members_of


@dataclass(frozen=True, kw_only=True)
class KaryotypeRequest:
    """The options of scripts/karyotype.py, which explains them."""

    words: Sequence[str]
    output: Path
    fixed: Path | None
    refer_below: float
    path_column: str
    cell_column: str
    case_column: str
    cache_dir: Path | None
    batchnorm: str | None
    runtime: str | None = None

    @cached_property
    def paths(self) -> list[Path]:
        """The runs and, last, the cells."""
        return split_words(self.words)[0]

    @cached_property
    def config(self) -> KaryotypeConfig:
        """The keys of conf/karyotype.yaml, with those among the words."""
        return load_karyotype_config(split_words(self.words)[1])

    @cached_property
    def portable(self) -> PortableModel | None:
        """The portable model that is named in place of runs; None without one."""
        first = self.paths[0]
        return PortableModel(first) if PortableModel.is_portable(first) else None

    @cached_property
    def runs(self) -> list[Run]:
        """The runs and ensembles; none beside a portable model."""
        return [] if self.portable else [Run(path) for path in self.paths[:-1]]

    @property
    def cells(self) -> Path:
        """The folder, zip file or table of chromosomes."""
        return self.paths[-1]

    @cached_property
    def members(self) -> list[Run]:
        """The runs, with the members of an ensemble in place of its folder."""
        return members_of(self.runs)

    @property
    def cache(self) -> Path:
        """The folder below which a zip file is unpacked."""
        return self.cache_dir or Path(layered_value("cache_dir") if self.portable else self.members[0].config.cache_dir)

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key is wrong; runs or cells are missing, or in another order; the runs do not form an
                ensemble, are not of the 24 chromosomes, or read images differently; the folder to write exists, or is
                within that of the cells; or the file of fixed classes is missing.
        """
        self._check_models()
        if not self.cells.exists():
            raise UserError(f"{self.cells} is missing: name a folder, a zip or a table (.csv) of single chromosomes")
        if self.fixed is not None and not self.fixed.is_file():
            raise UserError(f"--fixed {self.fixed} is missing: name a table with the columns file and class")
        new_folder(self.output)
        if self.cells.resolve() in self.output.resolve().parents:
            raise UserError(f"--output {self.output} is in {self.cells}: the next call would take it for cells")
        _ = self.config  # read and checked
        if self.portable:
            self._check_portable(self.portable)
        else:
            self._check_runs()
        self._check_reading()

    def _check_models(self) -> None:
        """Check that runs or a portable model are named, and cells after them."""
        if not self.paths:
            raise UserError("no run and no cells are named: name a finished run's folder, then the cells")
        if Run.is_run(self.cells) or PortableModel.is_portable(self.cells):
            raise UserError(f"no cells are named: add a folder, a zip or a table of chromosomes after {self.cells}")
        if len(self.paths) == 1:
            raise UserError(f"no run is named: name a finished run's folder before {self.cells}")
        for path in self.paths[1:-1]:
            if self.portable or PortableModel.is_portable(path):
                raise UserError(f"a portable model names karyotypes alone: leave {path} out")
        for path in [] if self.portable else self.paths[:-1]:
            if not Run.is_run(path):
                raise UserError(
                    f"{path} is not a run of Karyocyte, nor a portable model: name runs first, then one folder, zip or "
                    "table of cells"
                )

    def _check_portable(self, model: PortableModel) -> None:
        _check_classes(model.folder, model.description.classes)
        if model.description.cells is None:
            raise UserError(f"{model.folder} has no temperatures for cells: {REMEDY}")

    def _check_runs(self) -> None:
        if self.runtime:
            raise UserError(
                f"--runtime {self.runtime} is for portable models; runs are computed by torch: leave it out"
            )
        check_members(self.runs, self.members)
        _check_classes(self.members[0].folder, self.members[0].data.classes)

    def _check_reading(self) -> None:
        """Check that all networks see the same chromosome in a file: it is read and measured once."""
        (name, first), *others = self._preparations()
        for other_name, prepare in others:
            for key in ("background", "crop_threshold"):
                values = (getattr(first, key), getattr(prepare, key))
                if values[0] != values[1]:
                    raise UserError(
                        f"prepare.{key} is {values[0]} in {name} and {values[1]} in {other_name}: name runs that read "
                        "images alike"
                    )

    def _preparations(self) -> list[tuple[Path, PrepareConfig]]:
        """Return the preparation of each network, with the folder that it is of."""
        if self.portable:
            return [(self.portable.folder, member.prepare) for member in self.portable.description.members]
        return [(member.folder, member.config.prepare) for member in self.members]


def _check_classes(folder: Path, classes: Sequence[str]) -> None:
    if set(classes) != set(CHROMOSOMES):
        raise UserError(
            f"{folder} has the classes {', '.join(classes[:3])}, ...: karyotypes need a run on single "
            "chromosomes, 1 to 22, X and Y"
        )

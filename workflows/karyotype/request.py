"""The options of scripts/karyotype.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.arguments import new_folder
from common.config.ensemble import split_overrides
from common.config.karyotype import KaryotypePriors, load_priors
from common.errors import UserError
from common.karyotype import CHROMOSOMES
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

    @cached_property
    def paths(self) -> list[Path]:
        """The runs and, last, the cells."""
        return split_overrides(self.words)[0]

    @cached_property
    def priors(self) -> KaryotypePriors:
        """The priors of conf/karyotype.yaml, with the keys among the words."""
        return load_priors(split_overrides(self.words)[1])

    @cached_property
    def runs(self) -> list[Run]:
        """The runs and ensembles."""
        return [Run(path) for path in self.paths[:-1]]

    @property
    def cells(self) -> Path:
        """The folder, zip file or table of chromosomes."""
        return self.paths[-1]

    @cached_property
    def members(self) -> list[Run]:
        """The runs, with the members of an ensemble in place of its folder."""
        return members_of(self.runs)

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key of the priors is wrong; runs or cells are missing, or in another order; the runs do not
                form an ensemble, are not of the 24 chromosomes, or read images differently; the folder to write exists,
                or is within that of the cells; or the file of fixed classes is missing.
        """
        if not self.paths:
            raise UserError("no run and no cells are named: name a finished run's folder, then the cells")
        if Run.is_run(self.cells):
            raise UserError(f"no cells are named: add a folder, a zip or a table of chromosomes after {self.cells}")
        if not self.runs:
            raise UserError(f"no run is named: name a finished run's folder before {self.cells}")
        for path in self.paths[:-1]:
            if not Run.is_run(path):
                raise UserError(
                    f"{path} is not a run of Karyocyte: name runs first, then one folder, zip or table of cells"
                )
        if not self.cells.exists():
            raise UserError(f"{self.cells} is missing: name a folder, a zip or a table (.csv) of single chromosomes")
        if self.fixed is not None and not self.fixed.is_file():
            raise UserError(f"--fixed {self.fixed} is missing: name a table with the columns file and class")
        new_folder(self.output)
        if self.cells.resolve() in self.output.resolve().parents:
            raise UserError(f"--output {self.output} is in {self.cells}: the next call would take it for cells")
        _ = self.priors  # read and checked
        check_members(self.runs, self.members)
        classes = self.members[0].data.classes
        if set(classes) != set(CHROMOSOMES):
            raise UserError(
                f"{self.members[0].folder} has the classes {', '.join(classes[:3])}, ...: karyotypes need a run on "
                "single chromosomes, 1 to 22, X and Y"
            )
        self._check_reading()

    def _check_reading(self) -> None:
        """Check that all members see the same chromosome in a file: it is read and measured once."""
        first = self.members[0]
        for member in self.members[1:]:
            for key in ("background", "crop_threshold"):
                values = (getattr(first.config.prepare, key), getattr(member.config.prepare, key))
                if values[0] != values[1]:
                    raise UserError(
                        f"prepare.{key} is {values[0]} in {first.folder} and {values[1]} in {member.folder}: name runs "
                        "that read images alike"
                    )

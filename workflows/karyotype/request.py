"""The options of scripts/karyotype.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.arguments import new_folder
from common.config.ensemble import split_overrides
from common.config.karyotype import KaryotypeConfig, load_karyotype_config
from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.runs.files import RunFile
from common.runs.run import Run
from workflows.members import check_members, members_of


@dataclass(frozen=True, kw_only=True)
class KaryotypeRequest:
    """The options of scripts/karyotype.py, which explains them."""

    words: Sequence[str]
    output: Path
    pairs: Path | None
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
    def config(self) -> KaryotypeConfig:
        """The keys of conf/karyotype.yaml, with those among the words."""
        return load_karyotype_config(split_overrides(self.words)[1])

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

    @cached_property
    def pair_run(self) -> Run | None:
        """The run that compares homologues; None where they are not compared."""
        return None if self.pairs is None else Run.open(self.pairs)

    @property
    def all_runs(self) -> list[Run]:
        """The members and, last, the run that compares homologues."""
        return [*self.members, *([self.pair_run] if self.pair_run else [])]

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key is wrong; runs or cells are missing, or in another order; the runs do not form an
                ensemble, are not of the 24 chromosomes, or read images differently; --pairs names no run that compares
                homologues; the folder to write exists, or is within that of the cells; or the file of fixed classes is
                missing.
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
        _ = self.config  # read and checked
        self._check_kinds()
        check_members(self.runs, self.members)
        classes = self.members[0].data.classes
        if set(classes) != set(CHROMOSOMES):
            raise UserError(
                f"{self.members[0].folder} has the classes {', '.join(classes[:3])}, ...: karyotypes need a run on "
                "single chromosomes, 1 to 22, X and Y"
            )
        self._check_reading()

    def _check_kinds(self) -> None:
        """Check that the members name chromosomes and the run after --pairs compares them."""
        for member in self.members:
            if member.has(RunFile.PAIRS):
                raise UserError(
                    f"{member.folder} compares homologues: name it after --pairs, and before the cells a run on single "
                    "chromosomes, such as one of +experiment=chromosomes_best"
                )
        if self.pair_run is None:
            return
        Run.open_finished(self.pair_run.folder)
        if not self.pair_run.has(RunFile.PAIRS):
            raise UserError(
                f"--pairs {self.pairs} compares no homologues: name a run of +experiment=homologue_pairs, such as "
                "outputs/homologue_pairs/<fold>/seed=0"
            )

    def _check_reading(self) -> None:
        """Check that all members see the same chromosome in a file: it is read and measured once."""
        if self.pair_run is not None:
            grounds = [run.config.prepare.background for run in (self.members[0], self.pair_run)]
            if grounds[0] != grounds[1]:
                raise UserError(
                    f"prepare.background is {grounds[0]} in {self.members[0].folder} and {grounds[1]} in {self.pairs}: "
                    "name runs that read images alike"
                )
        first = self.members[0]
        for member in self.members[1:]:
            for key in ("background", "crop_threshold"):
                values = (getattr(first.config.prepare, key), getattr(member.config.prepare, key))
                if values[0] != values[1]:
                    raise UserError(
                        f"prepare.{key} is {values[0]} in {first.folder} and {values[1]} in {member.folder}: name runs "
                        "that read images alike"
                    )

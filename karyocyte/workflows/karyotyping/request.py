"""The options of scripts/karyotype.py and their check, without the imports of models and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from karyocyte.common.arguments import new_folder
from karyocyte.common.config.command import Command
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.runs.files import PortableFile
from karyocyte.common.runs.names import resolve_run
from karyocyte.common.runs.portable import BUILT_IN, BUILT_IN_DETECTOR, is_detector
from karyocyte.common.runs.portable_folder import REMEDY
from karyocyte.inference.cell_settings import KaryotypeConfig
from karyocyte.inference.models import LoadOptions, PortableNetworks, RunsModel, is_model, open_model

BUILT_IN_CUTTER = BUILT_IN_DETECTOR.with_name("cutter")  # what cuts chromosomes out of boxes, in the repository


@dataclass(frozen=True, kw_only=True)
class KaryotypeRequest:
    """The options of scripts/karyotype.py, which explains them."""

    words: Sequence[str]
    output: Path
    fixed: Path | None = None

    @cached_property
    def command(self) -> Command:
        """The paths and the settings among the words."""
        return Command(self.words, KaryotypeConfig)

    @property
    def config(self) -> KaryotypeConfig:
        """The keys of conf/karyotype.yaml."""
        return self.command[KaryotypeConfig]

    @property
    def named(self) -> list[Path]:
        """The runs or the portable model, as they are named; the built-in model where none is."""
        return self.command.paths[:-1] or [BUILT_IN]

    @property
    def cells(self) -> Path:
        """The folder, zip file or table of chromosomes."""
        return self.command.paths[-1]

    @cached_property
    def model(self) -> RunsModel | PortableNetworks:
        """The runs, the ensemble or the portable model."""
        return open_model(self.named)

    @property
    def detector(self) -> Path:
        """The detector of chromosomes in metaphases."""
        named = self.config.detector
        return resolve_run(Path(named)) if named else BUILT_IN_DETECTOR

    @property
    def cutter(self) -> Path | None:
        """The network that cuts chromosomes out of their boxes; None for none."""
        named = self.config.cutter
        if named == "none":
            return None
        return resolve_run(Path(named)) if named else BUILT_IN_CUTTER

    @property
    def options(self) -> LoadOptions:
        """How the networks are loaded."""
        config = self.config
        return LoadOptions(
            batchnorm=config.batchnorm, runtime=config.runtime, out_of_distribution=config.share_of_files
        )

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: A key is wrong; runs or cells are missing, or in another order; the runs do not form an
                ensemble, are not of the 24 chromosomes, or read images differently; the folder to write exists, or is
                within that of the cells; or the file of fixed classes is missing.
        """
        if not self.command.paths:
            raise UserError("no run and no cells are named: name a finished run's folder, then the cells")
        if is_model(self.cells):
            raise UserError(f"no cells are named: add a folder, a zip or a table of chromosomes after {self.cells}")
        if self.named == [BUILT_IN] and not is_model(BUILT_IN):
            raise UserError(f"{BUILT_IN / PortableFile.MODEL} is missing or damaged, and no run is named: {REMEDY}")
        model = self.model
        if not self.cells.exists():
            raise UserError(
                f"{self.cells} is missing: name a folder, a zip or a table (.csv) of single chromosomes, or pictures "
                "of metaphases"
            )
        if self.config.detector and not is_detector(self.detector):
            raise UserError(
                f"detector={self.config.detector} is no detector: name a run of +experiment=metaphase_detector"
            )
        if self.fixed is not None and not self.fixed.is_file():
            raise UserError(f"--fixed {self.fixed} is missing: name a table with the columns file and class")
        new_folder(self.output)
        if self.cells.resolve() in self.output.resolve().parents:
            raise UserError(f"--output {self.output} is in {self.cells}: the next call would take it for cells")
        model.check(self.options)
        facts = model.facts
        if set(facts.classes) != set(CHROMOSOMES):
            raise UserError(
                f"{facts.folders[0]} has the classes {', '.join(facts.classes[:3])}, ...: karyotypes need a run on "
                "single chromosomes, 1 to 22, X and Y"
            )
        if isinstance(model, PortableNetworks) and model.model.description.cells is None:
            raise UserError(f"{model.named} has no temperatures for cells: {REMEDY}")
        self._check_reading()

    def _check_reading(self) -> None:
        """Check that all networks see the same chromosome in a file: it is read and measured once."""
        (name, first), *others = self.model.facts.preparations
        for other, prepare in others:
            for key in ("background", "crop_threshold"):
                one, another = getattr(first, key), getattr(prepare, key)
                if one != another:
                    problem = f"prepare.{key} is {one} in {name} and {another} in {other}"
                    raise UserError(f"{problem}: name runs that read images alike")

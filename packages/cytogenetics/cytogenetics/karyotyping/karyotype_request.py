"""What is asked of scripts/karyotype.py: its options, and the model that they name."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, get_args

from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.trained.pictures import (
    BUILT_IN,
    BUILT_IN_CUTTER,
    BUILT_IN_DETECTORS,
    BUILT_IN_REFINER,
    PictureNetworks,
    cell_facts,
    picture_network,
)
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.config.command import Request
from karyocyte.inference.models import RunsModel, is_model, open_model
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.files import RunFile
from karyocyte.runs.names import resolve_run
from karyocyte.runs.run import EXPORT_AGAIN

OUTPUTS = Path("outputs", "karyotypes")  # which git does not track


class PictureFolders(NamedTuple):
    """The networks of pictures of metaphases, each in a folder of a run or of an export."""

    detectors: Sequence[Path]
    refiner: Path | None  # of their boxes; None for none
    cutter: Path | None  # of chromosomes out of their boxes; None for none

    @classmethod
    def of(cls, config: KaryotypeConfig) -> "PictureFolders":
        """Return those that are named, else the built-in ones; a ``UserError`` names one that is of another kind."""
        given = {kind: _folder_of(kind, named) for kind, named in _named(config).items() if named != "none"}
        detectors = [given["detector"]] if "detector" in given else BUILT_IN_DETECTORS
        # The built-in refiner knows the built-in detectors alone.
        refiner = None if config.refiner or config.detector else BUILT_IN_REFINER
        cutter = None if config.cutter else BUILT_IN_CUTTER
        return cls(detectors, given.get("refiner", refiner), given.get("cutter", cutter))


def _folder_of(kind: str, named: str) -> Path:
    folder = resolve_run(Path(named))
    if picture_network(folder) != kind:
        raise UserError(f"{kind}={named} is no {kind}: name a run of --config-name {kind}")
    return folder


def _named(config: KaryotypeConfig) -> dict[str, str]:
    """Return what is named of the networks of pictures, by their kinds."""
    return {kind: value for kind in get_args(PictureNetworks) if (value := getattr(config, kind))}


def refuse_picture_networks(config: KaryotypeConfig) -> None:
    """Raise a ``UserError`` that names a network of pictures: it has no effect on single chromosomes."""
    for kind, value in _named(config).items():
        raise UserError(f"{kind}={value} has no effect on single chromosomes: leave it out, or set input=metaphases")


class KaryotypeRequest(Request):
    """The options of scripts/karyotype.py, which explains them."""

    config: KaryotypeConfig  # the keys of packages/cytogenetics/conf/karyotype.yaml
    output: Path | None = None

    @property
    def named(self) -> list[Path]:
        """The runs or the export, as they are named; the built-in model where none is."""
        return self.paths[:-1] or [BUILT_IN]

    @property
    def cells(self) -> Path:
        """The pictures, folder, zip file or table."""
        return self.paths[-1]

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        return self.output or OUTPUTS / self.cells.resolve().stem

    @cached_property
    def pictures(self) -> PictureFolders:
        """The networks of pictures of metaphases."""
        return PictureFolders.of(self.config)

    @cached_property
    def model(self) -> RunsModel:
        """What is named as a model, without its networks."""
        return open_model(self.named)

    def check(self) -> None:
        """Check the options as far as this is possible without networks; a ``UserError`` names what does not fit."""
        if not self.paths:
            raise UserError("no run and no cells are named: name a finished run's folder, then the cells")
        if not self.cells.exists():
            remedy = "name a folder, a zip or a table (.csv) of single chromosomes, or pictures of metaphases"
            raise UserError(f"{self.cells} is missing: {remedy}")
        # The last word is the place of the cells: if a model lies there, the cells were forgotten.
        if is_model(self.cells):
            raise UserError(f"no cells are named: add a folder, a zip or a table of chromosomes after {self.cells}")
        if self.named == [BUILT_IN] and not is_model(BUILT_IN):
            raise UserError(f"{BUILT_IN / RunFile.EXPORT} is missing, and no run is named: {EXPORT_AGAIN}")
        if self.config.input == "chromosomes":
            refuse_picture_networks(self.config)
        _ = self.pictures  # raises where one is of another kind
        new_folder(self.folder)
        if self.cells.resolve() in self.folder.resolve().parents:
            raise UserError(f"--output {self.folder} is in {self.cells}: the next call would take it for cells")
        self.model.check()
        _check_names_chromosomes(self.model)


def _check_names_chromosomes(model: RunsModel) -> None:
    """Check that a model is of the 24 chromosomes, and reads and measures a file once for all of its networks."""
    facts = model.facts
    if set(facts.classes) != set(CHROMOSOMES):
        raise UserError(
            f"{facts.preparations[0][0]} has the classes {', '.join(facts.classes[:3])}, ...: karyotypes need a run on "
            "single chromosomes, 1 to 22, X and Y"
        )
    if model.export and cell_facts(model) is None:
        raise UserError(f"{model.named} has no temperatures for cells: {EXPORT_AGAIN}")
    (name, first), *others = facts.preparations
    for other, prepare in others:
        for key in ("background", "crop_threshold"):
            one, another = getattr(first, key), getattr(prepare, key)
            if one != another:
                problem = f"prepare.{key} is {one} in {name} and {another} in {other}"
                raise UserError(f"{problem}: name runs that read images alike")

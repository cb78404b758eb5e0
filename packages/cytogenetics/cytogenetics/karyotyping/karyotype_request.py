"""What is asked of scripts/karyotype.py: its options, and the classes that an expert has fixed (``--fixed``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import pandas as pd
from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.images.cells import Cell
from cytogenetics.review.cell_bundle import NO_CHROMOSOME
from cytogenetics.review.decisions import CellDecisions, read_decisions, replay

from datamodules.io.text_tables import read_text_table
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError, close_path
from karyocyte.common.files import safe_stems
from karyocyte.common.karyotype import CHROMOSOMES, MARKER, class_of
from karyocyte.config.command import Command
from karyocyte.inference.models import LoadOptions, PortableNetworks, RunsModel, is_model, open_model
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.files import PortableFile
from karyocyte.runs.names import resolve_run
from karyocyte.runs.portable import (
    BUILT_IN,
    BUILT_IN_DETECTOR,
    BUILT_IN_DETECTORS,
    BUILT_IN_REFINER,
    picture_network,
)
from karyocyte.runs.portable_folder import REMEDY, PictureNetworks

BUILT_IN_CUTTER = BUILT_IN_DETECTOR.with_name("cutter")  # what cuts chromosomes out of boxes, in the repository
OUTPUTS = Path("outputs", "karyotypes")  # which git does not track
KEYS = ("case", "cell", "file", "path")
NUMBER = "number of the cell"

# Of one cell: classes by the name of the file, of CHROMOSOMES, MARKER, or NO_CHROMOSOME.
FixedClasses = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class KaryotypeRequest:
    """The options of scripts/karyotype.py, which explains them."""

    words: Sequence[str]
    output: Path | None = None
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

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        return self.output or OUTPUTS / self.cells.resolve().stem

    @cached_property
    def model(self) -> RunsModel | PortableNetworks:
        """The runs, the ensemble or the portable model."""
        return open_model(self.named)

    @property
    def detectors(self) -> Sequence[Path]:
        """The detectors of chromosomes in metaphases."""
        named = self.config.detector
        return [resolve_run(Path(named))] if named else BUILT_IN_DETECTORS

    @property
    def refiner(self) -> Path | None:
        """The refiner of their boxes; None for none. The built-in one knows the built-in detectors."""
        named = self.config.refiner
        if named and named != "none":
            return resolve_run(Path(named))
        return None if named == "none" or self.config.detector else BUILT_IN_REFINER

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
            UserError: A key is wrong or has no effect; runs are missing, or in another order than the cells; the runs
                do not form an ensemble, are not of the 24 chromosomes, or read images differently; the folder to write
                exists, or is within that of the cells; or the file of fixed classes is missing.
        """
        # The last word is the place of the cells: if a model lies there, the cells were forgotten.
        if is_model(self.cells):
            raise UserError(f"no cells are named: add a folder, a zip or a table of chromosomes after {self.cells}")
        if self.named == [BUILT_IN] and not is_model(BUILT_IN):
            raise UserError(f"{BUILT_IN / PortableFile.MODEL} is missing or damaged, and no run is named: {REMEDY}")
        model = self.model
        self._check_picture_networks()
        if self.fixed is not None and not self.fixed.is_file():
            raise UserError(
                f"--fixed {self.fixed} is missing: {close_path(self.fixed)}name a table with the columns file and class"
            )
        new_folder(self.folder)
        if self.cells.resolve() in self.folder.resolve().parents:
            raise UserError(f"--output {self.folder} is in {self.cells}: the next call would take it for cells")
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

    def _check_picture_networks(self) -> None:
        """Check that each network of pictures that is named is one of its kind, and has an effect."""
        if self.config.input == "chromosomes":
            self.refuse_picture_networks()
        named: dict[str, Path | None] = {
            "detector": self.detectors[0],
            "refiner": self.refiner,
            "cutter": self.cutter,
        }
        for kind, folder in named.items():
            value = getattr(self.config, kind)
            if value and folder and picture_network(folder) != kind:
                raise UserError(f"{kind}={value} is no {kind}: name a run of --config-name {kind}")

    def refuse_picture_networks(self) -> None:
        """Raise a ``UserError`` that names a network of pictures: it has no effect on single chromosomes."""
        for kind in get_args(PictureNetworks):
            if value := getattr(self.config, kind):
                raise UserError(
                    f"{kind}={value} has no effect on single chromosomes: leave it out, or set input=metaphases"
                )

    def _check_reading(self) -> None:
        """Check that all networks see the same chromosome in a file: it is read and measured once."""
        (name, first), *others = self.model.facts.preparations
        for other, prepare in others:
            for key in ("background", "crop_threshold"):
                one, another = getattr(first, key), getattr(prepare, key)
                if one != another:
                    problem = f"prepare.{key} is {one} in {name} and {another} in {other}"
                    raise UserError(f"{problem}: name runs that read images alike")


def read_fixed(file: Path | None, cells: Sequence[Cell]) -> list[FixedClasses]:
    """Read which classes are fixed, for each cell.

    A table has a row per file: ``file``, ``cell`` and ``case`` where the name of the file alone is not enough, or
    ``path``, relative to the table, and ``fixed`` or, without such a column, ``class``: 1 to 22, X, Y, "mar" for a
    marker, or "none" for what is no chromosome. Rows that fix nothing are passed over, so that a chromosomes.csv can
    be given back with its column ``fixed`` filled in. Decisions of a review (.jsonl) fix the classes of approved cells,
    and in others those that a reader has given.

    Raises:
        UserError: A column is missing; a file is in no cell, or in several; a class is unknown; a file has two classes,
            readers differ; or nothing is fixed.
    """
    fixed: list[FixedClasses] = [{} for _ in cells]
    if file is None:
        return fixed
    table = _decided(file, cells) if file.suffix == ".jsonl" else _listed(file)
    column = "fixed" if "fixed" in table else "class"
    rows = table[table[column] != ""].rename_axis("row").reset_index()
    if rows.empty and not read_drawn(file):
        raise UserError(f"{file} fixes nothing: write a class into its column {column}")
    keys = [name for name in KEYS if name in table]
    found = rows.merge(_files(cells), on=keys, how="left")
    for row, matches in found.groupby("row"):
        place = f"{file}, row {row}"
        one = matches.iloc[0]
        if len(matches) > 1 or pd.isna(one[NUMBER]):
            problem = "is in none of the cells"
            if len(matches) > 1:
                problem = f"is in {len(matches)} cells: add the column cell"
            raise UserError(f"{place}: {' / '.join(filter(None, one[keys]))} {problem}")
        kind = _class(one[column], column, place)
        if fixed[int(one[NUMBER])].setdefault(one["file"], kind) != kind:
            raise UserError(f"{place}: {one['file']} has another class in a row above: delete one of them")
    return fixed


def read_drawn(file: Path | None) -> dict[str, CellDecisions]:
    """Read the decisions on cells of metaphases in which readers have drawn boxes, by the stems of the cells.

    Raises:
        UserError: Readers have drawn different ones.
    """
    drawn: dict[str, CellDecisions] = {}
    if file is None or file.suffix != ".jsonl":
        return drawn
    for (_, stem), state in replay(read_decisions(file)[0]).items():
        decided = (state.settled or state.drawn) and not state.rejection
        if decided and drawn.setdefault(stem, state).drawn != state.drawn:
            raise UserError(f"{file}: readers have drawn different boxes in {stem}: keep the lines of one of them")
    return drawn


def stems_of(cells: Sequence[Cell]) -> list[str]:
    """Return the names of the files of each cell, which are its identities in the decisions of a review."""
    return safe_stems(cell.title.replace(" / ", ".") for cell in cells)


def _listed(file: Path) -> pd.DataFrame:
    """Read a table; its files are named either by ``file``, ``cell`` and ``case`` or by absolute paths."""
    table = read_text_table(file)
    for names in (("fixed", "class"), ("path", "file")):
        if not set(names) & set(table):
            raise UserError(f"{file} has no column {names[1]}: it needs file and class, as in chromosomes.csv")
    if "file" in table:
        return table.drop(columns="path", errors="ignore")
    return table.assign(path=[str((file.parent / path).resolve()) for path in table["path"]])


def _decided(file: Path, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return what the readers of a file of decisions have fixed, as a table."""
    by_stem = dict(zip(stems_of(cells), cells, strict=True))
    decisions, warnings = read_decisions(file)
    warn(*warnings)
    kinds: dict[tuple[str, str, str], str] = {}
    for (reader, stem), state in replay(decisions).items():
        if state.settled and stem not in by_stem:
            raise UserError(f"{file}: {reader} has reviewed {stem}, which is none of the cells")
        for name, kind in state.settled.items():
            cell = by_stem[stem]
            if name in state.drawn and kind == NO_CHROMOSOME:  # it is not drawn
                continue
            if kinds.setdefault((cell.case or "", cell.name, name), kind) != kind:
                raise UserError(f"{file}: readers differ on {name}: export the labels, which leaves it out, or agree")
    rows = [(*key, kind) for key, kind in kinds.items()]
    return pd.DataFrame(rows, columns=["case", "cell", "file", "class"], dtype=object)


def _files(cells: Sequence[Cell]) -> pd.DataFrame:
    rows = []
    for number, cell in enumerate(cells):
        for file in cell.files:
            rows.append((number, cell.case or "", cell.name, file.name, str(file.path.resolve())))
    return pd.DataFrame(rows, columns=[NUMBER, *KEYS], dtype=object).drop_duplicates()


def _class(text: str, column: str, place: str) -> str:
    text = str(text).removesuffix(".0")  # pandas writes numbers beside empty fields so
    name = text.lower() if text.lower() in (NO_CHROMOSOME, MARKER) else class_of(text)
    if name is None:
        raise UserError(f"{place}: {column} {text} is none of 1 to 22, X, Y, {MARKER} and {NO_CHROMOSOME}")
    return name

"""C-NMC 2019: leukaemic blasts (ALL) and normal cells (HEM), in the challenge's own folders."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import PositiveInt

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record, order_classes
from datamodules.sources._files import find_folders, hint_at_archives, image_files, require_data_dir, sub_folders
from datamodules.sources._registry import SourceContext, source

CLASSES = ("all", "hem")
TRAINING = "C-NMC_training_data"
PRELIM = "C-NMC_test_prelim_phase_data"
FINAL = "C-NMC_test_final_phase_data"
HOME = "doi 10.7937/tcia.2019.dc64i46r (The Cancer Imaging Archive, C-NMC 2019)"

# The published numbers of images, (ALL, HEM); the final test is published without labels.
PUBLISHED = {"fold_0": (2397, 1130), "fold_1": (2418, 1163), "fold_2": (2457, 1096), "prelim": (1219, 648)}
PUBLISHED_FINAL = 2586

_NAME = re.compile(r"UID_(?P<subject>H?\d+)_(?P<image>\d+)_(?P<cell>\d+)_(?P<label>all|hem)", re.IGNORECASE)
_FOLD = re.compile(r"fold_\d+")
_LABEL_COLUMNS = ("Patient_ID", "new_names", "labels")
_DEPTH = 2


class CnmcConfig(SourceConfig, defaults="data/cnmc"):
    """C-NMC 2019 in the challenge's own folders."""

    source: Literal["cnmc"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = FROM_YAML


class HemAllConfig(SourceConfig, defaults="data/hem_all"):
    """C-NMC 2019 as paper 003 uses it: ALL subsampled, turned copies."""

    source: Literal["hem_all"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = FROM_YAML
    images: PositiveInt | None = FROM_YAML


@source(CnmcConfig, finds_folders=True, home=HOME)
def list_cnmc(data: CnmcConfig | HemAllConfig, context: SourceContext) -> Listing:
    """List the wanted parts of the challenge's data.

    The training folder may be ``data_dir`` itself or lie up to two levels below it. The subject is read from the
    file's name (``UID_<subject>_<image>_<cell>_<class>``; an ``H`` or ``h`` marks a healthy subject); the given part
    is ``fold_0`` to ``fold_2``, ``prelim`` or ``final``. The notes say whether the set is complete.

    Raises:
        UserError: The folders or the table of the preliminary test are missing or found twice, a name is not of the
            challenge's form, a label contradicts the name, a class has no image, or the positive class is not said.
    """
    root = require_data_dir(context.data_dir)
    listers = {"training": _training, "prelim": _prelim, "final": _final}
    records: list[Record] = []
    notes: list[str] = []
    for part in data.parts:
        found = listers[part](root)
        records += found
        notes.append(_completeness(part, found))
    classes = order_classes(set(CLASSES), data.positive_class)
    # The final test has no labels: it can be predicted, not trained on.
    for name in CLASSES if set(data.parts) != {"final"} else ():
        if not any(record.label == name for record in records):
            raise UserError(f"class {name} has no image in {root} (data.parts={list(data.parts)})")
    return Listing(tuple(records), root, classes, data.positive_class, "cnmc", tuple(notes))


def _training(root: Path) -> list[Record]:
    records = []
    for fold in _folds(_one_folder(root, TRAINING)):
        for path in image_files(fold):
            # An archive may unpack to fold_0/fold_0/all: the nearest folder that names a class counts.
            above = reversed(path.relative_to(fold).parts[:-1])
            folder = next((name.lower() for name in above if name.lower() in CLASSES), None)
            subject, label = _parse(path.stem, path)
            if folder is None:
                raise UserError(f"{path}: lies in no folder {' or '.join(CLASSES)}: put it in the folder of its class")
            if label != folder:
                raise UserError(f"{path}: the name says class {label}, the folder {folder}: put it in the right folder")
            records.append(Record(path.stem, path.relative_to(root).as_posix(), label, subject, fold.name))
    return records


def _prelim(root: Path) -> list[Record]:
    folder = _one_folder(root, PRELIM)
    table_path, table = _label_table(root)
    rows = {row.new_names: row for row in table.itertuples(index=False)}
    records = []
    for path in image_files(folder):
        row = rows.get(path.name)
        if row is None:
            raise UserError(f"{path} has no row in {table_path}: remove it, or bring the challenge's own table")
        subject, label = _parse(row.Patient_ID.removesuffix(".bmp"), table_path)
        if row.labels != {"all": "1", "hem": "0"}[label]:
            raise UserError(
                f"{table_path}: {path.name} is labelled {row.labels}, but its Patient_ID is {row.Patient_ID}"
            )
        records.append(Record(f"prelim_{path.stem}", path.relative_to(root).as_posix(), label, subject, "prelim"))
    return records


def _final(root: Path) -> list[Record]:
    files = image_files(_one_folder(root, FINAL))
    return [Record(f"final_{path.stem}", path.relative_to(root).as_posix(), part="final") for path in files]


def _one_folder(root: Path, name: str) -> Path:
    if name == TRAINING and _folds(root):
        return root
    found = find_folders(root, name, _DEPTH)
    if not found:
        raise UserError(f"no folder {name} in {root}{hint_at_archives(root)}: set data_dir to the folder that holds it")
    if len(found) > 1:
        raise UserError(f"{name} is there twice, {found[0]} and {found[1]}: set data_dir to the folder of one of them")
    return found[0]


def _folds(folder: Path) -> list[Path]:
    return [entry for entry in sub_folders(folder) if _FOLD.fullmatch(entry.name)]


def _label_table(root: Path) -> tuple[Path, pd.DataFrame]:
    """Find the labels of the preliminary test: the CSV file that has the challenge's three columns."""
    for path in sorted(root.rglob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline()
        if set(_LABEL_COLUMNS) <= {name.strip() for name in header.split(",")}:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
            return path, table.rename(columns=str.strip)
    raise UserError(f"no table of the preliminary test's labels ({', '.join(_LABEL_COLUMNS)}) in {root}")


def _parse(name: str, where: Path) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"{where}: {name} is not of the form UID_<subject>_<image>_<cell>_<all|hem>: rename or remove it"
        )
    return match["subject"].upper(), match["label"].lower()


def _completeness(part: str, records: list[Record]) -> str:
    title = {"training": "training", "prelim": "preliminary test", "final": "final test"}[part]
    expected: dict[tuple[str | None, str | None], int] = {}
    if part == "final":
        expected["final", None] = PUBLISHED_FINAL
    else:
        for name, numbers in PUBLISHED.items():
            if (name == "prelim") == (part == "prelim"):
                expected |= {(name, label): number for label, number in zip(CLASSES, numbers, strict=True)}
    counts = Counter((record.part, record.label) for record in records)
    total = sum(expected.values())
    if counts == expected:
        return f"complete: {total:,} {title} images"
    is_partial = all(counts[key] <= expected.get(key, 0) for key in counts)
    kind = "partial" if is_partial else "not the published set"
    details = [f"{key[0]} {counts[key]:,}/{number:,} {(key[1] or '').upper()}" for key, number in expected.items()]
    return f"{kind}: {len(records):,} of {total:,} {title} images ({', '.join(map(str.strip, details))})"


@source(HemAllConfig, finds_folders=True, home=HOME)
def list_hem_all(data: HemAllConfig, context: SourceContext) -> Listing:
    """List C-NMC 2019 as `list_cnmc` does; what the paper does with it comes later, and depends on the protocol."""
    return replace(list_cnmc(data, context), source="hem_all")

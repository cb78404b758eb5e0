"""C-NMC 2019: leukaemic blasts (ALL) and normal cells (HEM), in the challenge's own folders."""

import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import PositiveInt

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.config.schema import Config
from common.errors import UserError
from datamodules.io.listing import data_folder, hint_at_archives, image_files, sub_folders
from datamodules.manifest.manifest import Manifest, listed, order_classes
from datamodules.sources import SourceContext, source
from datamodules.sources._published import Notes
from datamodules.transforms.expansion import Expansion

CLASSES = ("all", "hem")
TRAINING = "C-NMC_training_data"
PRELIM = "C-NMC_test_prelim_phase_data"
HOME = "doi 10.7937/tcia.2019.dc64i46r (The Cancer Imaging Archive, C-NMC 2019)"

# The published numbers of images, (ALL, HEM).
PUBLISHED = {"fold_0": (2397, 1130), "fold_1": (2418, 1163), "fold_2": (2457, 1096), "prelim": (1219, 648)}

_NAME = re.compile(r"UID_(?P<subject>H?\d+)_(?P<image>\d+)_(?P<cell>\d+)_(?P<label>all|hem)", re.IGNORECASE)
_FOLD = re.compile(r"fold_\d+")
Row = dict[str, str | None]  # of an image: the columns of `listed`
_LABEL_COLUMNS = ("Patient_ID", "new_names", "labels")


class _ChallengeConfig(SourceConfig):
    parts: tuple[Literal["training", "prelim"], ...] = FROM_YAML


class CnmcConfig(_ChallengeConfig, defaults="data/cnmc"):
    """C-NMC 2019 in the challenge's own folders."""

    source: Literal["cnmc"]


class HemAllConfig(_ChallengeConfig, defaults="data/hem_all"):
    """C-NMC 2019 as paper 003 uses it: ALL subsampled, turned copies; that comes later, and depends on the protocol."""

    source: Literal["hem_all"]
    images: PositiveInt | None = FROM_YAML


def _expand(manifest: Manifest, config: Config) -> Expansion:
    from datamodules.transforms.presplit_augmentation import turn_and_subsample  # with the library of transforms

    data: Any = config.data  # HemAllConfig
    return turn_and_subsample(manifest, data.images, config.transform, config.split)


@source(CnmcConfig, home=HOME)
@source(HemAllConfig, home=HOME, expand=_expand)
def list_cnmc(data: CnmcConfig | HemAllConfig, context: SourceContext) -> Manifest:
    """List the wanted parts of the challenge's data.

    The training folder may be ``data_dir`` itself or lie up to two levels below it. The subject is read from the
    file's name (``UID_<subject>_<image>_<cell>_<class>``; an ``H`` or ``h`` marks a healthy subject); the given part
    is ``fold_0`` to ``fold_2`` or ``prelim``. The notes say whether the set is complete.

    Raises:
        UserError: The folders or the table of the preliminary test are missing or found twice, a name is not of the
            challenge's form, a label contradicts the name, a class has no image, or the positive class is not said.
    """
    root = data_folder(context, searched=True)
    listers = {"training": _training, "prelim": _prelim}
    images: list[Row] = []
    notes = Notes()
    for part in data.parts:
        of_part = listers[part](root)
        images += of_part
        notes.compare(*_published(part, of_part))
    classes = order_classes(set(CLASSES), data.positive_class)
    frame = listed(images)
    absent = set(CLASSES) - set(frame["label"])
    if absent:
        raise UserError(f"class {min(absent)} has no image in {root} (data.parts={list(data.parts)})")
    return Manifest(frame, root, classes, data.positive_class, data.source, notes.all, incomplete=notes.incomplete)


def _training(root: Path) -> list[Row]:
    training = root
    if not _folds(root):
        training = _one_folder(root, TRAINING)
    images: list[Row] = []
    for fold in _folds(training):
        for path in image_files(fold):
            # An archive may unpack to fold_0/fold_0/all: the nearest folder that names a class counts.
            above = [name.lower() for name in path.relative_to(fold).parts[:-1] if name.lower() in CLASSES]
            subject, label = _parse(path.stem, path)
            if not above:
                raise UserError(f"{path}: lies in no folder {' or '.join(CLASSES)}: put it in the folder of its class")
            if label != above[-1]:
                remedy = "put it in the right folder"
                raise UserError(f"{path}: the name says class {label}, the folder {above[-1]}: {remedy}")
            images.append(_row(path.stem, path.relative_to(root), label, subject, fold.name))
    return images


def _prelim(root: Path) -> list[Row]:
    folder = _one_folder(root, PRELIM)
    table_path, table = _label_table(root)
    rows = {row.new_names: row for row in table.itertuples(index=False)}
    images: list[Row] = []
    for path in image_files(folder):
        row = rows.get(path.name)
        if row is None:
            raise UserError(f"{path} has no row in {table_path}: remove it, or bring the challenge's own table")
        subject, label = _parse(row.Patient_ID.removesuffix(".bmp"), table_path)
        if row.labels != {"all": "1", "hem": "0"}[label]:
            problem = f"{path.name} is labelled {row.labels}, but its Patient_ID is {row.Patient_ID}"
            raise UserError(f"{table_path}: {problem}")
        images.append(_row(f"prelim_{path.stem}", path.relative_to(root), label, subject, "prelim"))
    return images


def _row(image_id: str, path: Path, label: str, subject: str, part: str) -> Row:
    return {"image_id": image_id, "path": path.as_posix(), "label": label, "subject": subject, "part": part}


def _one_folder(root: Path, name: str) -> Path:
    """The folder of this name: ``root``, or one at most two levels below it."""
    level = [root]
    folders = []
    for _ in range(3):
        folders += [folder for folder in level if folder.name == name]
        level = list(chain.from_iterable(map(sub_folders, level)))
    if not folders:
        raise UserError(f"no folder {name} in {root}{hint_at_archives(root)}: set data_dir to the folder that holds it")
    if len(folders) > 1:
        raise UserError(f"{name} is there twice, {folders[0]} and {folders[1]}: set data_dir to one of them")
    return folders[0]


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
        form = "UID_<subject>_<image>_<cell>_<all|hem>"
        raise UserError(f"{where}: {name} is not of the form {form}: rename or remove it")
    return match["subject"].upper(), match["label"].lower()


def _published(part: str, images: list[Row]) -> tuple[str, Counter[str], dict[str, int]]:
    """The title of a part, and how many images of each fold and class there are and were published."""
    counts = Counter(f"{row['part']} {str(row['label']).upper()}" for row in images)
    published: dict[str, int] = {}
    for name, (leukaemic, healthy) in PUBLISHED.items():
        if (name == "prelim") == (part == "prelim"):
            published |= {f"{name} ALL": leukaemic, f"{name} HEM": healthy}
    return {"training": "training", "prelim": "preliminary test"}[part], counts, published

"""C-NMC 2019: leukaemic blasts (ALL) and normal cells (HEM), in the challenge's own folders."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from datamodules.io.text_tables import read_text_table
from datamodules.manifest.manifest import Manifest, manifest_frame, order_classes
from datamodules.sources import SourceContext, source
from datamodules.sources._published import completeness
from datamodules.sources.listing import data_folder, image_files, packed_in, sub_folders
from karyocyte.common.errors import UserError
from karyocyte.common.text import natural_key
from karyocyte.config.sources import CnmcConfig, HemAllConfig

CLASSES = ("all", "hem")
HOME = "doi.org/10.7937/tcia.2019.dc64i46r (The Cancer Imaging Archive)"

# The published numbers of images, (ALL, HEM).
PUBLISHED = {"fold_0": (2397, 1130), "fold_1": (2418, 1163), "fold_2": (2457, 1096), "prelim": (1219, 648)}

_NAME = re.compile(r"UID_(?P<subject>H?\d+)_(?P<image>\d+)_(?P<cell>\d+)_(?P<label>all|hem)", re.IGNORECASE)
_FOLD = re.compile(r"fold_\d+", re.IGNORECASE)
Row = dict[str, str | None]  # of an image: the columns of `manifest_frame`
_LABEL_COLUMNS = ("patient_id", "new_names", "labels")


@source(CnmcConfig)
@source(HemAllConfig)
def list_cnmc(data: CnmcConfig, context: SourceContext) -> Manifest:
    """List the wanted parts of the challenge's data.

    The folders are found by what they hold, wherever they lie in ``data_dir``: the training folder has folders
    ``fold_<n>`` with the classes in them, that of the preliminary test the pictures that the table of its labels names.
    So the archive's own nesting, the names of other copies (Kaggle's), other formats of the pictures and upper or lower
    case make no difference. Only the final test is known by its folder's name: its pictures have the same numbers. The
    subject is read from the file's name (``UID_<subject>_<image>_<cell>_<class>``; an ``H`` or ``h`` marks a healthy
    subject); the given part is ``fold_0`` to ``fold_2`` or ``prelim``. The notes say whether the set is complete.

    Raises:
        UserError: The folders or the table of the preliminary test are missing or found twice, a name is not of the
            challenge's form, a label contradicts the name, a class has no image, or the positive class is not said.
    """
    root = data_folder(context, searched=True)
    listers = {"training": _training, "prelim": _prelim}
    paths = image_files(root, context.follow_links)
    images: list[Row] = []
    notes = []
    for part in data.parts:
        of_part = listers[part](root, paths)
        # Whatever the folders are called and the files were converted to, the order is the same.
        of_part.sort(key=lambda row: natural_key(f"{row['part']} {row['label']} {row['image_id']}"))
        images += of_part
        notes.append(completeness(*_published(part, of_part), HOME))
    classes = order_classes(set(CLASSES), data.positive_class)
    frame = manifest_frame(images)
    absent = set(CLASSES) - set(frame["label"])
    if absent:
        raise UserError(f"class {min(absent)} has no image in {root} (data.parts={list(data.parts)})")
    return Manifest(frame, root, classes, data.positive_class, data.source, tuple(notes))


def _training(root: Path, paths: Sequence[Path]) -> list[Row]:
    # The images with their folds, by what holds the folds.
    sets: dict[Path, list[tuple[Path, Path]]] = defaultdict(list)
    for path in paths:
        for fold in reversed(path.relative_to(root).parents):
            if _FOLD.fullmatch(fold.name):
                sets[root / fold.parent].append((path, root / fold))
                break  # the outermost one: an archive may unpack to fold_0/fold_0/all
    found = [place for place, images in sets.items() if any(_classes_above(*image) for image in images)]
    if not found:
        looked_for = f"no folder with C-NMC's fold_0, fold_1, ... that hold {' and '.join(CLASSES)} in {root}"
        hint = packed_in(root, *sub_folders(root))
        remedy = "set data_dir to the folder that holds it, unpacked; for images of your own type data=folder"
        raise UserError(f"{looked_for}{hint}: {remedy}")
    _check_one("the folds are", found)
    return [_training_row(path, fold, root) for path, fold in sets[found[0]]]


def _training_row(path: Path, fold: Path, root: Path) -> Row:
    above = _classes_above(path, fold)
    image_id, subject, label = _parse(path.stem, path)
    if not above:
        raise UserError(f"{path}: lies in no folder {' or '.join(CLASSES)}: put it in the folder of its class")
    if label != above[-1]:
        remedy = "put it in the right folder"
        raise UserError(f"{path}: the name says class {label}, the folder {above[-1]}: {remedy}")
    return _row(image_id, path.relative_to(root), label, subject, fold.name.lower())


def _classes_above(path: Path, fold: Path) -> list[str]:
    """Return the names of classes among the folders between a fold and an image, of which the last one counts."""
    return [name.lower() for name in path.relative_to(fold).parts[:-1] if name.lower() in CLASSES]


def _prelim(root: Path, paths: Sequence[Path]) -> list[Row]:
    table_path, table = _label_table(root)
    # By the name without its suffix: a converted copy has another one than the table.
    rows = {Path(row.new_names).stem: row for row in table.itertuples(index=False)}
    images: list[Row] = []
    folder = _prelim_folder(root, paths, set(rows), table_path)
    for path in (path for path in paths if path.parent == folder):
        row = rows.get(path.stem)
        if row is None:
            raise UserError(f"{path} has no row in {table_path}: remove it, or bring the challenge's own table")
        _, subject, label = _parse(Path(row.patient_id).stem, table_path)
        if row.labels != {"all": "1", "hem": "0"}[label]:
            problem = f"{path.name} is labelled {row.labels}, but its Patient_ID is {row.patient_id}"
            raise UserError(f"{table_path}: {problem}")
        images.append(_row(f"prelim_{path.stem}", path.relative_to(root), label, subject, "prelim"))
    return images


def _prelim_folder(root: Path, paths: Sequence[Path], names: set[str], table: Path) -> Path:
    """Find the folder of the pictures that the table names; those of the final test have the same numbers and more."""
    stems: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        stems[path.parent].add(path.stem)
    found = [folder for folder in stems if stems[folder] & names and not _is_final(folder, root)]
    if len(found) > 1:  # under another name, the whole final test has more numbers than the table
        found = [folder for folder in found if stems[folder] <= names] or found
    if not found:
        example = min(names, default="1")
        remedy = "add them, in a folder whose name is not of the final test (final, testing)"
        raise UserError(f"no folder in {root} holds pictures that {table} names, such as {example}.bmp: {remedy}")
    _check_one(f"pictures that {table} names are", found)
    return found[0]


def _is_final(folder: Path, root: Path) -> bool:
    names = folder.relative_to(root).parts[-2:]
    return any("final" in name.lower() or "testing" in name.lower() for name in names)


def _check_one(what: str, found: Sequence[Path]) -> None:
    if len(found) > 1:
        remedy = "set data_dir to the folder of one copy, or move one of the two away"
        raise UserError(f"{what} there twice, in {found[0]} and {found[1]}: {remedy}")


def _row(image_id: str, path: Path, label: str, subject: str, part: str) -> Row:
    return {"image_id": image_id, "path": path.as_posix(), "label": label, "subject": subject, "part": part}


def _label_table(root: Path) -> tuple[Path, pd.DataFrame]:
    """Find the labels of the preliminary test: the table that has the challenge's three columns, in lower case here."""
    found: list[tuple[Path, pd.DataFrame]] = []
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() == ".csv"):
        table = _read_labels(path)
        if table is not None:
            found.append((path, table))
            if not table.equals(found[0][1]):
                raise UserError(f"the labels in {found[0][0]} and {path} differ: remove one of the two")
    if not found:
        wanted = "table of the preliminary test's labels (Patient_ID, new_names, labels)"
        raise UserError(f"no {wanted} in {root}: bring it, or set 'data.parts=[training]'")
    return found[0]


def _read_labels(path: Path) -> pd.DataFrame | None:
    """Read the three columns; None where the file is another table."""
    try:
        table = read_text_table(path)
    except UserError:  # it may be anything
        return None
    table.columns = table.columns.str.lower()
    return table[list(_LABEL_COLUMNS)] if set(_LABEL_COLUMNS) <= set(table.columns) else None


def _parse(name: str, where: Path) -> tuple[str, str, str]:
    """Return the name as the challenge writes it, the subject and the class."""
    match = _NAME.fullmatch(name)
    if match is None:
        form = "UID_<subject>_<image>_<cell>_<all|hem>"
        raise UserError(f"{where}: {name} is not of the form {form}: rename or remove it")
    subject, label = match["subject"].upper(), match["label"].lower()
    return f"UID_{subject}_{match['image']}_{match['cell']}_{label}", subject, label


def _published(part: str, images: list[Row]) -> tuple[str, Counter[str], dict[str, int]]:
    """The title of a part, and how many images of each fold and class there are and were published."""
    counts = Counter(f"{row['part']} {str(row['label']).upper()}" for row in images)
    published: dict[str, int] = {}
    for name, (leukaemic, healthy) in PUBLISHED.items():
        if (name == "prelim") == (part == "prelim"):
            published |= {f"{name} ALL": leukaemic, f"{name} HEM": healthy}
    return {"training": "training", "prelim": "preliminary test"}[part], counts, published

"""Pictures of whole metaphases with a box per chromosome: the data set of Tseng et al. (2023), or boxes of your own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cytogenetics.config.sources import MetaphasesConfig
from cytogenetics.metaphases.sources.metaphase_boxes import NO_BOXES, Annotation, CheckedBoxes, read_annotations
from datamodules.io.decode import BrokenImageError, read_size
from datamodules.io.folder_content import scan_folder
from datamodules.io.text_tables import read_text_table
from datamodules.manifest.manifest import Manifest, manifest_frame, order_classes
from datamodules.sources import SourceContext, source
from datamodules.sources.listing import data_folder, image_files, name_parser
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import ABNORMAL

# The lists of the data set, and what they declare of a cell.
LISTS = {"normal.csv": "normal", "number_abnormalities.csv": "numerical", "structural_abnormalities.csv": "structural"}
# Its pictures with an arrow at a chromosome, other coloured marks or the number of the laboratory in them.
_MARKED = """
103082 1050021 1050022 1050023 1050025 1050802 1052771 1054291 1054311 1054902 1056051 1057262 1057602 1057606 1057607
1060143 1091295 1091421 1091573 1091594 1100929 1100991 1100992 1100994 1100998 1101021 1101023 1101024 1101026 1101084
"""
MARKED = frozenset(_MARKED.split())
UNDECLARED = "metaphase"  # the class of all pictures where there are no lists


@source(MetaphasesConfig)
def list_metaphases(data: MetaphasesConfig, context: SourceContext) -> Manifest:
    """List pictures of metaphases; their names, without suffix, are the ids and the cells.

    The class of a picture is normal or abnormal, its kind normal, numerical or structural, as the data set's lists
    declare the cell; a picture in none of them has no class. Without the lists all pictures are of one class.

    The frame of the manifest has two more columns: ``boxes`` (left, top, right, bottom in pixels of the picture,
    float32, shape (n, 4)) and ``chromosomes`` (index into `CHROMOSOMES`, -1 where unknown, int64, shape (n,)).

    Raises:
        UserError: The data folder is missing or empty; a file of boxes or a list cannot be read; a picture is missing,
            or two have one name; boxes do not fit (`Annotation`); a name does not match ``data.subject_regex``.
    """
    root = data_folder(context)
    formats, annotations, passed_over = read_annotations(root, context.follow_links)
    used = [one for one in annotations if data.marked == "keep" or one.picture not in MARKED]
    pictures = _pictures(root, context.follow_links)
    frame, remarks = _frame(root, pictures, used, data)
    remarks["pictures with marks, left out (data.marked)"] = len(annotations) - len(used)
    remarks["pictures without boxes, left out"] = len(pictures) - len(annotations)
    notes = [f"{len(frame):,} pictures with {frame['boxes'].map(len).sum():,} boxes ({formats})"]
    notes += [f"{what}: {count:,}" for what, count in (remarks + passed_over).items()]
    if declared := _read_lists(root, context.follow_links):
        frame["kind"] = pd.Series([declared.get(name) for name in frame["image_id"]], dtype=object)
        frame["label"] = frame["kind"].replace(dict.fromkeys(("numerical", "structural"), ABNORMAL))
        absent = len(declared.keys() - set(frame["image_id"]) - MARKED)
        notes.append(f"in no list: {frame['kind'].isna().sum():,} pictures; listed without picture: {absent:,}")
    classes = tuple(sorted(set(frame["label"].dropna())))
    positive = (data.positive_class or ABNORMAL) if len(classes) == 2 else None
    if positive:
        classes = order_classes(set(classes), positive)
    return Manifest(frame, root, classes, positive, data.source, tuple(notes))


def _frame(
    root: Path, pictures: Mapping[str, Path], annotations: Sequence[Annotation], data: MetaphasesConfig
) -> tuple[pd.DataFrame, Counter[str]]:
    """Return the frame of the manifest, all of one class, and what is to be said of how many boxes."""
    subject_of = name_parser(data.subject_regex, "data.subject_regex", "subject")
    given: dict[str, Annotation] = {}
    rows: list[dict[str, str | None]] = []
    boxes: list[CheckedBoxes] = []
    for annotation in annotations:
        name = annotation.picture
        if name not in pictures:
            raise UserError(f"{annotation.file}: no picture spelled {name} in {root}: bring it, or take out its boxes")
        if (other := given.setdefault(name, annotation)) is not annotation:
            raise UserError(f"boxes of {name} are in {other.file} and in {annotation.file}: keep one, or one format")
        facts = {"subject": subject_of(Path(name)), "cell": name, "label": UNDECLARED}
        rows.append({"image_id": name, "path": pictures[name].relative_to(root).as_posix(), **facts})
        size = _size(pictures[name], annotation)
        boxes.append(NO_BOXES if size is None else annotation.checked(size, data.scale_boxes))
    frame = manifest_frame(rows)
    frame["boxes"] = [each.corners for each in boxes]
    frame["chromosomes"] = [each.labels for each in boxes]
    return frame, sum((each.remarks for each in boxes), Counter())


def _pictures(root: Path, follow_links: bool) -> dict[str, Path]:
    """Return the pictures of a folder by their names without suffix, in their case."""
    pictures: dict[str, Path] = {}
    for path in image_files(root, follow_links):
        if (other := pictures.setdefault(path.stem, path)) != path:
            raise UserError(f"two pictures have the name {path.stem}: {other} and {path}: rename one")
    return pictures


def _size(path: Path, annotation: Annotation) -> tuple[int, int] | None:
    """Return width and height of a picture, as decoded, without its pixels; None of a broken one: the scan says so."""
    try:
        size, orientation = read_size(path)
    except BrokenImageError:
        return None
    # From 5 on width and height are exchanged: then the size that the annotation has tells it.
    if orientation in (2, 3, 4) or (orientation > 4 and annotation.size is None):
        raise UserError(
            f"{path} is shown turned or mirrored (EXIF orientation {orientation}), and {annotation.file} does not say "
            "whether its boxes were drawn so: save the picture upright, and check its boxes"
        )
    return size


def _read_lists(root: Path, follow_links: bool) -> dict[str, str]:
    """Return what the lists of the data set declare of each picture; empty where there are none."""
    declared: dict[str, str] = {}
    files = _lists(root, follow_links)
    for linked in _lists(root, follow_links=True):
        if linked not in files:  # without it all pictures would be of one class
            raise UserError(f"{linked} is behind a link: set follow_links=true, move it to {root}, or remove the link")
    for file in files:
        table = read_text_table(file, may_be_empty=True)  # with its heading alone no cell is abnormal
        if "filename" not in table:
            raise UserError(f"{file} has no column filename: name the pictures in it")
        kind = LISTS[file.name.lower()]
        for picture in table["filename"].map(lambda text: Path(text).stem):
            if declared.setdefault(picture, kind) != kind:
                raise UserError(f"{file}: {picture} is declared {declared[picture]}, too: keep it in one list")
    return declared


def _lists(root: Path, follow_links: bool) -> list[Path]:
    """Return the lists of the data set in a folder, in whatever case their names are."""
    names = sorted(scan_folder(root, follow_links).files)
    return [root / name for name in names if Path(name).name.lower() in LISTS]

"""Boxes of chromosomes in pictures of metaphases, as annotation programs write them: Pascal VOC and COCO."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from datamodules.io.folder_content import is_system
from datamodules.sources.listing import hint_at_archives
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES, class_of
from karyocyte.common.text import natural_key

UNKNOWN = -1  # the label of a box whose class is not known
UNKNOWN_NAME = "chromosome"  # and how its class is called in annotations
CLIPPED = 1.0  # pixels by which a box may reach beyond its picture, and its copy may lie beside it
_GROUPS = "AAABBCCCCCCCDDDEEEFFGG"  # of the chromosomes 1 to 22, Denver conference (1960)
_OF_GROUP = {f"{group}{name}": name for group, name in zip(_GROUPS, AUTOSOMES, strict=True)}
_SIDES = ("xmin", "ymin", "xmax", "ymax")
TURNED = "a box is turned: draw the upright box around its chromosome"


@dataclass(frozen=True)
class Annotation:
    """What a file says of one picture, unchecked."""

    file: Path
    picture: str  # the name of the picture without its suffix
    size: tuple[int, int] | None = None  # width and height of the picture as the file has them; None: it has none
    names: list[str] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)  # left, top, right, bottom

    def add(self, name: str, box: Sequence[float]) -> None:
        """Add a box."""
        left, top, right, bottom = map(float, box)
        self.names.append(name)
        self.boxes.append((left, top, right, bottom))


@dataclass(frozen=True, eq=False)
class CheckedBoxes:
    """The checked boxes of one picture."""

    corners: np.ndarray  # left, top, right, bottom in pixels of the picture, float32, shape (n, 4)
    labels: np.ndarray  # index into `CHROMOSOMES`, or `UNKNOWN`, int64, shape (n,)
    clipped: int = 0  # how many reached beyond the picture
    copies: int = 0  # how many further ones were given of a chromosome, and left out


NO_BOXES = CheckedBoxes(np.empty((0, 4), np.float32), np.empty(0, np.int64))


def read_annotations(root: Path) -> tuple[str, list[Annotation]]:
    """Read the boxes of a folder and return the name of their format, and the annotations in natural order.

    Pascal VOC are files ``<picture>.xml`` anywhere in the folder; otherwise COCO are ``.json`` files.

    Raises:
        UserError: There are none, or a file cannot be read.
    """
    readers: dict[str, Callable[[Path], Iterator[Annotation]]] = {"Pascal VOC": _read_voc, "COCO": _read_coco}
    for name, read in readers.items():
        annotations = list(read(root))
        if annotations:
            return name, annotations
    places = "<picture>.xml (Pascal VOC) or *.json (COCO)"
    raise UserError(f"no boxes in {root}{hint_at_archives(root)}: bring {places}")


def check_boxes(annotation: Annotation, size: tuple[int, int]) -> CheckedBoxes:
    """Check the boxes of a picture, clip those that reach a pixel beyond it, and leave out copies.

    Args:
        annotation: The boxes.
        size: Width and height of the picture in pixels.

    Raises:
        UserError: There is no box; a class is unknown; the picture has another size than the annotation says; a box is
            empty or reaches further beyond the picture.
    """
    where = f"{annotation.file}: picture {annotation.picture}"
    if not annotation.boxes:
        raise UserError(f"{where} has no boxes: draw them, or remove the file")
    if annotation.size not in (None, size):
        told = "{} x {}".format(*annotation.size)
        problem = f"the annotation is of {told}, the picture has {size[0]} x {size[1]}"
        raise UserError(f"{where}: {problem}: bring the picture that the boxes were drawn on, saved upright")
    labels = np.array([_label(name, where) for name in annotation.names], np.int64)
    corners = np.array(annotation.boxes)
    inside = corners.clip(0, np.tile(size, 2))
    beyond = np.abs(corners - inside).max(axis=1)
    # A hundredth of a pixel is rounding.
    fits = (beyond <= CLIPPED + 0.01) & (inside[:, 2:] > inside[:, :2]).all(axis=1)
    for number in np.flatnonzero(~fits):
        corner = ", ".join(f"{value:g}" for value in corners[number])
        problem = f"is empty or reaches beyond the picture of {size[0]} x {size[1]} pixels"
        raise UserError(f"{where}: box {number + 1} ({annotation.names[number]}: {corner}) {problem}: correct it")
    # Copies of earlier ones, as of two merged exports.
    same = np.triu(np.abs(inside[:, None] - inside).max(axis=2) < CLIPPED, 1)
    is_copy = (same & (labels[:, None] == labels)).any(axis=0)
    counts = (int((beyond[~is_copy] > 0.01).sum()), int(is_copy.sum()))
    return CheckedBoxes(inside[~is_copy].astype(np.float32), labels[~is_copy], *counts)


def _label(name: str, where: str) -> int:
    if name == UNKNOWN_NAME:
        return UNKNOWN
    found = class_of(_OF_GROUP.get(name.upper(), name))
    if found is None:
        known = f"A1 to G22 or 1 to 22, X and Y, or {UNKNOWN_NAME} where the class is not known"
        raise UserError(f"{where}: unknown class {name!r}: a class is {known}")
    return CHROMOSOMES.index(found)


def write_voc(file: Path, names: Iterable[str], boxes: Iterable[Sequence[float]]) -> None:
    """Write the classes and the boxes (left, top, right, bottom in pixels) of a picture as Pascal VOC."""
    root = ElementTree.Element("annotation")
    for name, box in zip(names, boxes, strict=True):
        entry = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(entry, "name").text = name
        corners = ElementTree.SubElement(entry, "bndbox")
        for side, value in zip(_SIDES, box, strict=True):
            ElementTree.SubElement(corners, side).text = str(float(value))
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8")


def _read_voc(root: Path) -> Iterator[Annotation]:
    for file in _files(root, ".xml"):
        with _readable(file, "Pascal VOC"):
            content = ElementTree.parse(file).getroot()
            picture = _base(content.findtext("filename") or file.stem)
            if file.stem not in (picture, Path(picture).stem):
                raise UserError(f"{file} is of the picture {picture}: give both the same name")
            annotation = Annotation(file, file.stem, _size(content.findtext, "size/width", "size/height"))
            for entry in content.iter("object"):
                if entry.find("robndbox") is not None:  # of roLabelImg
                    raise UserError(f"{file}: {TURNED}")
                name = entry.findtext("name", "").strip()
                annotation.add(name, [float(entry.findtext(f"bndbox/{side}", "")) for side in _SIDES])
        yield annotation


def _read_coco(root: Path) -> Iterator[Annotation]:
    contents = {}
    for file in _files(root, ".json"):
        with _readable(file, "COCO"):
            contents[file] = json.loads(file.read_text(encoding="utf-8"))
    ours = {file: content for file, content in contents.items() if {"images", "annotations"} & set(content)}
    for file, content in ours.items():
        with _readable(file, "COCO"):
            names = {entry["id"]: entry["name"] for entry in content["categories"]}
            pictures = {}
            for entry in content["images"]:
                name = Path(_base(entry["file_name"])).stem
                pictures[entry["id"]] = Annotation(file, name, _size(entry.get, "width", "height"))
            for entry in content["annotations"]:
                _add_coco(pictures[entry["image_id"]], names[entry["category_id"]], entry)
        yield from pictures.values()


def _add_coco(picture: Annotation, name: str, entry: Mapping[str, Any]) -> None:
    """Add a box; CVAT and others say beside it by how many degrees it is turned."""
    if (entry.get("attributes") or {}).get("rotation") or entry.get("rotation"):
        raise UserError(f"{picture.file}: {TURNED}")
    left, top, width, height = map(float, entry["bbox"])
    picture.add(name, (left, top, left + width, top + height))


def _base(name: str) -> str:
    """Return the name of a file without its folders, which may be those of Windows."""
    return name.replace("\\", "/").rpartition("/")[2].strip()


def _size(get: Callable[[str], Any], *keys: str) -> tuple[int, int] | None:
    """Return width and height under two keys; None where the program has not written them, or zeros."""
    width, height = (int(float(get(key) or 0)) for key in keys)
    return (width, height) if width and height else None


def _files(root: Path, ending: str) -> list[Path]:
    """Return the files below a folder whose name ends so, in natural order, without hidden ones."""
    files = [file for file in root.rglob(f"*{ending}") if not any(map(is_system, file.relative_to(root).parts))]
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


@contextmanager
def _readable(file: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong in reading a file into a ``UserError``."""
    try:
        yield
    except (ElementTree.ParseError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no readable {kind} file ({' '.join(str(error).split())}): correct it") from error
    except LookupError as error:
        raise UserError(f"{file} is no readable {kind} file, {error} is missing: correct it") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is no readable {kind} file, a number is missing or is none: correct it") from error

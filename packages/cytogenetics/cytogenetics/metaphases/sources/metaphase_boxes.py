"""Boxes of chromosomes in pictures of metaphases, as annotation programs write them: Pascal VOC, COCO and YOLO."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import yaml

from datamodules.io.folder_content import is_system
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES, class_of
from karyocyte.common.text import natural_key

UNKNOWN = -1  # the label of a box whose class is not known
CLASSES = "classes.txt"  # of YOLO
UNKNOWN_NAME = "chromosome"  # and how its class is called in annotations
SMALLEST = 1.0  # pixels of a side of a box: shares in place of pixels are below it
CLIPPED = 1.0  # pixels by which a box may reach beyond its picture, and its copy may lie beside it
SAME_SHAPE = 0.01  # by which width and height may be scaled otherwise: sizes are whole pixels
_GROUPS = "AAABBCCCCCCCDDDEEEFFGG"  # of the chromosomes 1 to 22, Denver conference (1960)
_OF_GROUP = {f"{group}{name}": name for group, name in zip(_GROUPS, AUTOSOMES, strict=True)}
_TURNED = ("cx", "cy", "w", "h", "angle")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, eq=False)
class CheckedBoxes:
    """The checked boxes of one picture."""

    corners: np.ndarray  # left, top, right, bottom in pixels of the picture, float32, shape (n, 4)
    labels: np.ndarray  # index into `CHROMOSOMES`, or `UNKNOWN`, int64, shape (n,)
    clipped: int = 0  # how many reached beyond the picture
    copies: int = 0  # how many further ones were given of a chromosome, and left out
    contradicting: int = 0  # how many lie at the place of one of another class


NO_BOXES = CheckedBoxes(np.empty((0, 4), np.float32), np.empty(0, np.int64))


@dataclass(frozen=True)
class Annotation:
    """What a file says of one picture, unchecked."""

    file: Path
    picture: str  # the name of the picture without its suffix
    size: tuple[int, int] | None = None  # width and height of the picture as the file has them; None: it has none
    relative: bool = False  # whether the boxes are shares of width and height; otherwise pixels
    names: list[str] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)  # left, top, right, bottom
    turned: list[str] = field(default_factory=list)  # the names of boxes around others that are turned

    def add(self, name: str, box: Sequence[float]) -> None:
        """Add a box."""
        left, top, right, bottom = map(float, box)
        self.names.append(name)
        self.boxes.append((left, top, right, bottom))

    def add_hull(self, name: str, points: np.ndarray) -> None:
        """Add the upright box around points, x and y, shape (n, 2)."""
        self.add(name, [*points.min(axis=0), *points.max(axis=0)])
        self.turned.append(name)

    def add_turned(self, name: str, box: Sequence[float], angle: float) -> None:
        """Add the upright box around a box (middle in x and y, width, height), turned clockwise, in radians."""
        x, y, width, height = box
        self.add_hull(name, cv2.boxPoints(((x, y), (width, height), math.degrees(angle))))

    def checked(self, size: tuple[int, int], scale: bool = False) -> CheckedBoxes:
        """Check the boxes, clip those that reach a pixel beyond their picture, and leave out copies.

        Args:
            size: Width and height of the picture in pixels.
            scale: Whether boxes that were drawn on a picture of another size are scaled.

        Raises:
            UserError: There is no box; a class is unknown; the picture has another size than the annotation says; a
                box is empty or reaches further beyond the picture.
        """
        where = f"{self.file}: picture {self.picture}"
        if not self.boxes:
            raise UserError(f"{where} has no boxes: draw them, or remove the file")
        labels = np.array([_label(name, where) for name in self.names], np.int64)
        corners = np.array(self.boxes) * np.tile(self._scale(size, scale, where), 2)
        inside = corners.clip(0, np.tile(size, 2))
        beyond = np.abs(corners - inside).max(axis=1)
        # Shares are written with six digits: a hundredth of a pixel is rounding.
        fits = (beyond <= CLIPPED + 0.01) & (inside[:, 2:] - inside[:, :2] >= SMALLEST).all(axis=1)
        for number in np.flatnonzero(~fits):
            corner = ", ".join(f"{value:g}" for value in corners[number])
            problem = f"is smaller than a pixel or reaches beyond the picture of {size[0]} x {size[1]} pixels"
            raise UserError(f"{where}: box {number + 1} ({self.names[number]}: {corner}) {problem}: correct it")
        is_copy, contradicting = _same_places(inside, labels)
        counts = (int((beyond[~is_copy] > 0.01).sum()), int(is_copy.sum()), contradicting)
        return CheckedBoxes(inside[~is_copy].astype(np.float32), labels[~is_copy], *counts)

    def _scale(self, size: tuple[int, int], scale: bool, where: str) -> np.ndarray:
        """Return what the corners are multiplied with, in x and y."""
        if self.relative:
            return np.array(size)
        if self.size in (None, size):
            return np.ones(2)
        own = f"{where}: the annotation is of {self.size[0]} x {self.size[1]}, the picture has {size[0]} x {size[1]}"
        if self.size == size[::-1]:
            raise UserError(
                f"{own}: it was turned since, or its EXIF turns it: save it upright, and draw the boxes anew"
            )
        factors = np.array(size) / self.size
        if not scale or abs(factors[0] / factors[1] - 1) > SAME_SHAPE:
            remedy = "bring the picture that they were drawn on"
            if not scale:
                remedy += ", or set data.scale_boxes=true where it was made larger or smaller since"
            raise UserError(f"{own}: {remedy}")
        return factors


def read_annotations(root: Path) -> tuple[str, list[Annotation]]:
    """Read the boxes of a folder and return the name of their format, and the annotations in natural order.

    Pascal VOC are files ``<picture>.xml`` anywhere in the folder; otherwise COCO are ``.json`` files; otherwise YOLO
    are ``labels/**/<picture>.txt``, with the classes in ``classes.txt`` or under ``names`` of a ``.yaml`` file. Of
    turned boxes and of outlines the upright box is taken.

    Raises:
        UserError: There are none, or a file cannot be read.
    """
    readers: dict[str, Callable[[Path], Iterator[Annotation]]] = {
        "Pascal VOC": _read_voc,
        "COCO": _read_coco,
        "YOLO": _read_yolo,
    }
    for name, read in readers.items():
        annotations = list(read(root))
        if annotations:
            return name, annotations
    places = "<picture>.xml (Pascal VOC), *.json (COCO) or labels/<picture>.txt (YOLO)"
    raise UserError(f"no boxes in {root}: bring {places}")


def _same_places(corners: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Tell which boxes are copies of earlier ones, as of two merged exports, and how many have another class there."""
    same = np.triu(np.abs(corners[:, None] - corners).max(axis=2) < CLIPPED, 1)
    alike = labels[:, None] == labels
    return (same & alike).any(axis=0), int((same & ~alike).sum())


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
            if content.tag == "annotations":
                raise UserError(f"{file} is in CVAT's own format: export it as COCO 1.0 or Pascal VOC")
            picture = _base(content.findtext("filename") or file.stem)
            if file.stem not in (picture, Path(picture).stem):
                raise UserError(f"{file} is of the picture {picture}: give both the same name")
            annotation = Annotation(file, file.stem, _size(content.findtext, "size/width", "size/height"))
            for entry in content.iter("object"):
                name = entry.findtext("name", "").strip()
                if (turned := entry.find("robndbox")) is not None:  # of roLabelImg; the angle in radians
                    *box, angle = (float(turned.findtext(key, "")) for key in _TURNED)
                    annotation.add_turned(name, box, angle)
                else:
                    annotation.add(name, [float(entry.findtext(f"bndbox/{side}", "")) for side in _SIDES])
        yield annotation


def _read_coco(root: Path) -> Iterator[Annotation]:
    contents = {}
    for file in _files(root, ".json"):
        with _readable(file, "COCO"):
            contents[file] = json.loads(file.read_text(encoding="utf-8"))
    ours = {file: content for file, content in contents.items() if {"images", "annotations"} & set(content)}
    if not ours:  # beside COCO there may be others, such as settings of a program
        _refuse_own_formats(contents)
    for file, content in ours.items():
        with _readable(file, "COCO"):
            names = {entry["id"]: entry["name"] for entry in content["categories"]}
            pictures = {}
            _check_ids(file, content)
            for entry in content["images"]:
                name = Path(_base(entry["file_name"])).stem
                pictures[entry["id"]] = Annotation(file, name, _size(entry.get, "width", "height"))
            for entry in content["annotations"]:
                _add_coco(pictures[entry["image_id"]], names[entry["category_id"]], entry)
        yield from pictures.values()


def _check_ids(file: Path, content: Mapping[str, Any]) -> None:
    for key in ("categories", "images"):
        if len({entry["id"] for entry in content[key]}) < len(content[key]):
            raise UserError(f"{file}: two of its {key} have one id, as of merged exports: give each its own")


def _add_coco(picture: Annotation, name: str, entry: Mapping[str, Any]) -> None:
    """Add a box; CVAT and others say beside it by how many degrees it is turned."""
    left, top, width, height = map(float, entry["bbox"])
    degrees = (entry.get("attributes") or {}).get("rotation") or entry.get("rotation")
    if degrees:
        box = (left + width / 2, top + height / 2, width, height)
        picture.add_turned(name, box, math.radians(float(degrees)))
    else:
        picture.add(name, (left, top, left + width, top + height))


def _refuse_own_formats(contents: Mapping[Path, Any]) -> None:
    for file, content in contents.items():
        for key, program in {"shapes": "LabelMe", "_via_img_metadata": "VIA"}.items():
            if key in content:
                raise UserError(f"{file} is in {program}'s own format: export it as COCO")


def _read_yolo(root: Path) -> Iterator[Annotation]:
    files = [file for file in _files(root, ".txt") if "labels" in file.relative_to(root).parts]
    files = [file for file in files if file.name != CLASSES]
    names = _yolo_names(root) if files else {}
    for file in files:
        annotation = Annotation(file, file.stem, relative=True)
        with _readable(file, "YOLO"):
            for line in filter(str.strip, file.read_text(encoding="utf-8").splitlines()):
                _add_yolo(annotation, names, line)
        yield annotation


def _add_yolo(annotation: Annotation, names: Mapping[int, str], line: str) -> None:
    """Add a box, or the upright one around the corners of a turned box or around an outline."""
    number, *values = map(float, line.split())
    if number not in names:
        raise UserError(f"{annotation.file}: class {number:g} is not among the {len(names)} of the list of classes")
    name = names[int(number)]
    if len(values) == 4:
        x, y, width, height = values
        annotation.add(name, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    elif len(values) >= 6 and len(values) % 2 == 0:
        annotation.add_hull(name, np.reshape(values, (-1, 2)))
    else:
        numbers = len(values) + 1
        raise UserError(f"{annotation.file}: a line of {numbers} numbers: a box has five, or bring its corners")


def _base(name: str) -> str:
    """Return the name of a file without its folders, which may be those of Windows."""
    return name.replace("\\", "/").rpartition("/")[2].strip()


def _size(get: Callable[[str], Any], *keys: str) -> tuple[int, int] | None:
    """Return width and height under two keys; None where the program has not written them, or zeros."""
    width, height = (int(float(get(key) or 0)) for key in keys)
    return (width, height) if width and height else None


def _yolo_names(root: Path) -> dict[int, str]:
    """Return the names of the classes by their numbers; all lists of them must agree."""
    lists = {}
    for file in _files(root, CLASSES):
        lists[file] = dict(enumerate(filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines()))))
    for file in _files(root, ".yaml"):
        with _readable(file, "YOLO"):
            names = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("names")
            if names:
                pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
                lists[file] = {number: str(name) for number, name in pairs}
    for file, names in lists.items():
        if names != next(iter(lists.values())):
            raise UserError(f"{next(iter(lists))} and {file} list other classes: keep the list of these labels")
    if not lists:
        raise UserError(f"{root} has labels of YOLO without their classes: add {CLASSES}, or a .yaml file with names")
    return next(iter(lists.values()))


def _files(root: Path, ending: str) -> list[Path]:
    """Return the files below a folder whose name ends so, in natural order, without hidden ones."""
    files = [file for file in root.rglob(f"*{ending}") if not any(map(is_system, file.relative_to(root).parts))]
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


@contextmanager
def _readable(file: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong in reading a file into a ``UserError``."""
    try:
        yield
    except (ElementTree.ParseError, yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no readable {kind} file ({' '.join(str(error).split())}): correct it") from error
    except LookupError as error:
        raise UserError(f"{file} is no readable {kind} file, {error} is missing: correct it") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is no readable {kind} file, a number is missing or is none: correct it") from error

"""Boxes of chromosomes in pictures of metaphases: one look at a file says what kind it is, and a reader reads it."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path, PureWindowsPath
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import yaml

from datamodules.io.decode import SUFFIXES
from datamodules.io.folder_content import LINK, FolderContent, scan_folder
from datamodules.io.text_tables import file_text
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES, class_of
from karyocyte.common.text import natural_key

UNKNOWN = -1  # the label of a box whose class is not known
UNKNOWN_NAME = "chromosome"  # and how its class is called in annotations
SMALLEST = 1.0  # pixels of a side of a box: shares in place of pixels are below it
CLIPPED = 1.0  # pixels by which a box may reach beyond its picture, and its copy may lie beside it
NEAR = 0.25  # of the length of a box, by which the sides of a near copy lie beside its own
SAME_SHAPE = 0.01  # by which width and height may be scaled otherwise: sizes are whole pixels
_GROUPS = "AAABBCCCCCCCDDDEEEFFGG"  # of the chromosomes 1 to 22, Denver conference (1960)
_OF_GROUP = {f"{group}{name}": name for group, name in zip(_GROUPS, AUTOSOMES, strict=True)}
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_FLAGGED = "boxes that are marked as difficult, as of a group or to be ignored, and used like others"
_UNKNOWN_FORMAT = "no known format of boxes"
_ROOTS = {"annotation": "Pascal VOC", "annotations": "CVAT's own format"}  # the first elements of .xml files
_KEYS = {  # of .json files, or of the first value of a list in them
    ("images", "annotations"): "COCO",
    ("image_id", "category_id"): "COCO's format of results, without images",
    ("shapes",): "LabelMe's own format",
    ("_via_img_metadata",): "VIA's own format",
    ("data", "annotations"): "Label Studio's own format",
    ("image", "annotations"): "CreateML's own format",
}
# The first line of labels of YOLO: the number of a class, and shares of the picture.
_BOX = re.compile(r"\s*\d+(\.0+)?([ \t]+-?([01]\.?\d*|\.\d+)(e-\d+)?){4,}\s*(\n|$)", re.IGNORECASE)
_CLASSES = re.compile(r"classes\.txt|.*\.(names|labels)", re.IGNORECASE)  # of YOLO, also as Darknet calls them
# What the parsers raise, and what values of an unexpected type do.
_BROKEN = (ElementTree.ParseError, yaml.YAMLError, LookupError, ValueError, TypeError, AttributeError, OverflowError)
_ENDINGS = (".xml", ".json", ".geojson", ".txt", ".names", ".labels", ".yaml", ".yml")


@dataclass(frozen=True, eq=False)
class CheckedBoxes:
    """The checked boxes of one picture."""

    corners: np.ndarray  # left, top, right, bottom in pixels of the picture, float32, shape (n, 4)
    labels: np.ndarray  # index into `CHROMOSOMES`, or `UNKNOWN`, int64, shape (n,)
    remarks: Counter[str] = field(default_factory=Counter)  # what is to be said of how many boxes


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
    remarks: Counter[str] = field(default_factory=Counter)  # what is to be said of how many boxes

    def add(self, name: str, box: Sequence[float], degrees: float = 0) -> None:
        """Add a box (left, top, right, bottom), or the upright one around it where it is turned clockwise."""
        left, top, right, bottom = box
        if degrees:
            middle, size = ((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top)
            self.add_hull(name, cv2.boxPoints((middle, size, degrees)))
        else:
            self.names.append(name)
            self.boxes.append((left, top, right, bottom))

    def add_hull(self, name: str, points: np.ndarray) -> None:
        """Add the upright box around points, x and y, shape (n, 2)."""
        self.add(name, [*points.min(axis=0), *points.max(axis=0)])
        self.remarks["boxes that are turned, or outlines, of which the upright boxes around them are used"] += 1

    def checked(self, size: tuple[int, int], scale: bool = False) -> CheckedBoxes:
        """Check the boxes, clip those that reach a pixel beyond their picture, and leave out copies.

        ``size`` is its width and height in pixels; with ``scale`` boxes that were drawn on another size are scaled.

        Raises:
            UserError: There is no box, a class is unknown, or a box or the size of the picture does not fit.
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
        is_copy, remarks = _same_places(inside, labels)
        remarks["boxes that reach a pixel beyond their picture, and are clipped"] = int((beyond[~is_copy] > 0.01).sum())
        return CheckedBoxes(inside[~is_copy].astype(np.float32), labels[~is_copy], self.remarks + remarks)

    def _scale(self, size: tuple[int, int], scale: bool, where: str) -> np.ndarray:
        """Return what the corners are multiplied with, in x and y."""
        if self.relative or self.size in (None, size):
            return np.array(size) if self.relative else np.ones(2)
        factors = np.array(size) / self.size
        remedy = "bring the picture that they were drawn on"
        if self.size == size[::-1]:
            remedy = "it was turned since, or its EXIF turns it: save it upright, and draw the boxes anew"
        elif scale and abs(factors[0] / factors[1] - 1) <= SAME_SHAPE:
            return factors
        elif not scale:
            remedy += ", or set data.scale_boxes=true where it was made larger or smaller since"
        own, its = (f"{width} x {height}" for width, height in (self.size, size))
        raise UserError(f"{where}: the annotation is of {own}, the picture has {its}: {remedy}")


def _same_places(corners: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, Counter[str]]:
    """Tell which boxes are copies of earlier ones, as of merged exports; count near copies, as of two annotators."""
    apart = np.abs(corners[:, None] - corners).max(axis=2)
    alike = labels[:, None] == labels
    same = np.triu(alike & (apart < CLIPPED), 1)
    # By their length: where narrow boxes lie a few pixels apart, they overlap by little.
    length = (corners[:, 2:] - corners[:, :2]).max(axis=1)
    near = np.triu(apart <= NEAR * np.minimum(length[:, None], length), 1) & ~same
    is_copy = same.any(axis=0)
    counts = {
        "boxes that are given twice, of which one is used": is_copy,
        "pairs of boxes of one class at nearly one place (where it is one chromosome, take one out)": near & alike,
        "pairs of boxes of two classes at nearly one place (where it is one chromosome, take one out)": near & ~alike,
    }
    return is_copy, Counter({what: int(found.sum()) for what, found in counts.items()})


def _label(name: str, where: str) -> int:
    if name == UNKNOWN_NAME:
        return UNKNOWN
    if (found := class_of(_OF_GROUP.get(name.upper(), name))) is None:
        known = f"A1 to G22 or 1 to 22, X and Y, or {UNKNOWN_NAME} where the class is not known"
        raise UserError(f"{where}: unknown class {name!r}: a class is {known}")
    return CHROMOSOMES.index(found)


def read_annotations(root: Path, follow_links: bool = False) -> tuple[str, list[Annotation], Counter[str]]:
    """Return the formats of the boxes in a folder, the boxes by picture, and how many files are passed over.

    Links that lead out of the folder are followed only with ``follow_links``.

    Raises:
        UserError: There are no boxes, or a file cannot be read.
    """
    content = scan_folder(root, follow_links)
    looked = _by_kind(root, _files(root, content))
    readers: dict[str, Callable[[Path, Any], Iterator[Annotation]]] = {"Pascal VOC": _read_voc, "COCO": _read_coco}
    readers["YOLO"] = partial(_read_yolo, looked.pop("classes", []))
    annotations: dict[str, list[Annotation]] = defaultdict(list)
    pictures = {Path(name).stem for name in content.images}
    for kind, read in readers.items():
        for file, found in looked.pop(kind, []):
            with _readable(file, kind):
                read_ones = list(read(file, found))
            of_pictures = list(_named_as_pictures(read_ones, pictures))
            annotations[kind] += of_pictures
            if read_ones and not of_pictures:  # notes of another program, such as <annotation><author>
                looked[_UNKNOWN_FORMAT].append((file, found))
    if not any(annotations.values()):
        beside = "".join(f"; {files[0][0].name} is in {kind}" for kind, files in looked.items())
        if content.others[LINK]:
            beside += "; follow_links=true follows its links"
        raise UserError(f"no boxes in {root}{beside}: export them as COCO (.json), Pascal VOC (.xml) or YOLO (.txt)")
    passed_over = {f"files in {kind}, passed over": len(files) for kind, files in looked.items()}
    return " and ".join(filter(annotations.get, annotations)), sum(annotations.values(), []), Counter(passed_over)


def _named_as_pictures(found: Iterable[Annotation], pictures: set[str]) -> Iterator[Annotation]:
    """Yield annotations with the names of their pictures; those without boxes only where there is such a picture."""
    for one in found:
        name = one.picture if one.picture in pictures else _without_suffix(one.picture)
        if one.boxes or name in pictures:
            yield replace(one, picture=name)


def _by_kind(root: Path, files: Iterable[Path]) -> dict[str, list[tuple[Path, Any]]]:
    """Return files and what is in them by what they are."""
    looked: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    for file in files:
        with _readable(file, file.suffix):
            kind, found = _look(file, "labels" in file.relative_to(root).as_posix().lower().split("/"))
        looked[kind].append((file, found))
    return looked


def _look(file: Path, is_label: bool) -> tuple[str, Any]:
    """Return the kind of a file, and its content; a text among labels is one of YOLO, however it begins."""
    text, _ = file_text(file)
    suffix = file.suffix.lower()
    if _CLASSES.fullmatch(file.name):
        return "classes", {"names": list(filter(None, map(str.strip, text.splitlines())))}
    if suffix in (".yaml", ".yml") and re.search("^(names|kpt_shape) *:", text, re.MULTILINE):
        return "classes", yaml.safe_load(text)
    if suffix == ".xml":
        element = ElementTree.fromstring(text)
        return _ROOTS.get(element.tag, _UNKNOWN_FORMAT), element
    if suffix in (".json", ".geojson"):
        content = json.loads(text)
        return _kind_of_json(content), content
    is_yolo = suffix == ".txt" and (is_label or _BOX.match(text))
    return "YOLO" if is_yolo else _UNKNOWN_FORMAT, text


def _kind_of_json(content: Any) -> str:
    first = content[0] if isinstance(content, list) and content else content
    for keys, kind in _KEYS.items():
        if isinstance(first, Mapping) and first.keys() >= set(keys):
            return kind
    return _UNKNOWN_FORMAT


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


def _read_voc(file: Path, content: ElementTree.Element) -> Iterator[Annotation]:
    picture = PureWindowsPath((content.findtext("filename") or file.name).strip())
    if {file.stem, _without_suffix(file.stem)}.isdisjoint((picture.name, picture.stem)):
        raise UserError(f"{file} is of the picture {picture.name}: give both the same name")
    annotation = Annotation(file, file.stem, _size(content.findtext, "size/width", "size/height"))
    for entry in content.iter("object"):
        name = entry.findtext("name", "").strip()
        if (turned := entry.find("robndbox")) is not None:  # of roLabelImg; the angle in radians
            x, y, w, h, angle = (float(turned.findtext(key) or "nan") for key in ("cx", "cy", "w", "h", "angle"))
            annotation.add_hull(name, cv2.boxPoints(((x, y), (w, h), math.degrees(angle))))
        else:
            degrees = entry.findtext("attributes/attribute[name='rotation']/value")  # of CVAT
            sides = [float(entry.findtext(f"bndbox/{side}") or "nan") for side in _SIDES]
            annotation.add(name, sides, float(degrees or 0))
        annotation.remarks[_FLAGGED] += entry.findtext("difficult") == "1"
    yield annotation


def _without_suffix(name: str) -> str:
    """Return p of p.jpg, as boxes of the picture p.jpg in p.jpg.xml are called."""
    return Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name


def _read_coco(file: Path, content: Mapping[str, Any]) -> Iterator[Annotation]:
    """Read the pictures that have boxes; CVAT and others say beside a box by how many degrees it is turned."""
    for key in ("categories", "images"):
        if len({str(entry["id"]) for entry in content[key]}) < len(content[key]):
            raise UserError(f"{file}: two of its {key} have one id, as of merged exports: give each its own")
    names = {str(entry["id"]): str(entry["name"]).strip() for entry in content["categories"]}
    pictures = {}
    for entry in content["images"]:
        name = PureWindowsPath(str(entry["file_name"]).strip()).stem
        pictures[str(entry["id"])] = Annotation(file, name, _size(entry.get, "width", "height"))
    for entry in content["annotations"]:
        picture, name = pictures[str(entry["image_id"])], names[str(entry["category_id"])]
        left, top, width, height = map(float, entry["bbox"])
        degrees = {**entry, **(entry.get("attributes") or {})}.get("rotation") or 0
        picture.add(name, (left, top, left + width, top + height), float(degrees))
        picture.remarks[_FLAGGED] += any(map(entry.get, ("iscrowd", "ignore")))
    yield from filter(attrgetter("boxes"), pictures.values())


def _read_yolo(lists: Sequence[tuple[Path, Any]], file: Path, text: str) -> Iterator[Annotation]:
    """Read boxes, also those before key points, or the upright ones around corners and outlines."""
    lines = [list(map(float, line.split())) for line in filter(str.strip, text.splitlines())]
    names, key_values = _yolo_task(lists, file)
    is_pose = key_values or _has_key_points(lines)
    annotation = Annotation(file, file.stem, relative=True)
    for number, *values in lines:
        if number not in names:
            raise UserError(f"{file}: class {number:g} is not among the {len(names)} of the list of classes")
        if len(values) in (4, 4 + key_values):
            x, y, width, height = values[:4]
            annotation.add(names[int(number)], (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        elif is_pose or len(values) < 6 or len(values) % 2:
            problem = f"a line of {len(values) + 1} numbers is no box, which has five, and no corners or outline"
            remedy = "labels of a pose task need kpt_shape in data.yaml, such as [2, 2] for 2 points of 2 values"
            raise UserError(f"{file}: {problem}: correct it; {remedy}")
        else:
            annotation.add_hull(names[int(number)], np.reshape(values, (-1, 2)))
    yield annotation


def _has_key_points(lines: Sequence[Sequence[float]]) -> bool:
    """Tell whether most longer lines are boxes and key points, not outlines, whose points all lie near one another."""
    told = []
    for _, *values in lines:
        if len(values) >= 6 and len(values) % 2 == 0:
            visible = set(values[6::3]) if len(values) % 3 == 1 else set()
            points = np.reshape(values, (-1, 2))
            others = np.delete(points, 1, axis=0)
            others = others[others.any(axis=1)]  # a key point that is not seen is at 0, 0
            is_far = np.abs(others - points[1]).max(axis=1).min() > 2 * np.ptp(others, axis=0).max()
            told.append(is_far or (bool(visible & {1, 2}) and visible <= {0, 1, 2}))
    return bool(sum(told) > len(told) / 2)


def _yolo_task(lists: Sequence[tuple[Path, Any]], file: Path) -> tuple[dict[int, str], int]:
    """Return the names of the classes by their numbers, and how many values key points have, 0 without them."""
    names: dict[int, str] = {}
    key_values = 0
    for list_file, content in lists:
        if isinstance(content.get("names"), str | int):
            raise UserError(f"{list_file}: names: {content['names']} is no list: write one in brackets, such as [1, X]")
        with _readable(list_file, "list of classes"):
            key_values = math.prod(map(int, content.get("kpt_shape") or [key_values]))
            listed = pd.Series(content.get("names") or names, dtype=object).map(str).to_dict()
        if names not in ({}, listed):
            raise UserError(f"{lists[0][0]} and {list_file} list other classes: keep the list of these labels")
        names = listed
    if not names:
        raise UserError(f"{file} has labels of YOLO without their classes: add classes.txt, or a .yaml file with names")
    return names, key_values


def _size(get: Callable[[str], Any], *keys: str) -> tuple[int, int] | None:
    """Return width and height under two keys; None where the program has not written them, or zeros."""
    width, height = (int(float(get(key) or 0)) for key in keys)
    return (width, height) if width and height else None


def _files(root: Path, content: FolderContent) -> list[Path]:
    """Return the files of a folder that may be annotations, in natural order."""
    files = [root / name for name in content.files if name.lower().endswith(_ENDINGS)]
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


@contextmanager
def _readable(file: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong in reading a file into a ``UserError``."""
    try:
        yield
    except _BROKEN as error:
        problem = f"{error} is missing" if isinstance(error, LookupError) else " ".join(str(error).split())
        raise UserError(f"{file} is no readable {kind} file ({problem}): correct it, or take it out") from error

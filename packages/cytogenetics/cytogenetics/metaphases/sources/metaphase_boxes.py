"""Boxes of chromosomes in pictures of metaphases, as annotation programs write them: Pascal VOC, COCO and YOLO."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from cytogenetics.synthesis.metaphase_picture import MetaphasePicture
from datamodules.io.folder_content import is_system
from datamodules.sources.listing import hint_at_archives
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_json
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES, class_of
from karyocyte.common.text import natural_key

UNKNOWN = -1  # the label of a box whose class is not known
UNKNOWN_NAME = "chromosome"  # and how its class is called in annotations
CLIPPED = 1.0  # pixels by which a box may reach beyond its picture
_GROUPS = "AAABBCCCCCCCDDDEEEFFGG"  # of the chromosomes 1 to 22, Denver conference (1960)
_OF_GROUP = {f"{group}{name}": name for group, name in zip(_GROUPS, AUTOSOMES, strict=True)}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Annotation:
    """What a file says of one picture, unchecked."""

    file: Path
    picture: str  # the name of the picture without its suffix
    relative: bool = False  # whether the boxes are shares of width and height; otherwise pixels
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
    clipped: int  # how many reached beyond the picture


NO_BOXES = CheckedBoxes(np.empty((0, 4), np.float32), np.empty(0, np.int64), 0)


def read_annotations(root: Path) -> tuple[str, list[Annotation]]:
    """Read the boxes of a folder and return the name of their format, and the annotations in natural order.

    Pascal VOC are files ``<picture>.xml`` anywhere in the folder; otherwise COCO are ``.json`` files; otherwise YOLO
    are ``labels/**/<picture>.txt``, with the classes in ``classes.txt`` or under ``names`` of a ``.yaml`` file.

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
    raise UserError(f"no boxes in {root}{hint_at_archives(root)}: bring {places}")


def check_boxes(annotation: Annotation, size: tuple[int, int]) -> CheckedBoxes:
    """Check the boxes of a picture and clip those that reach a pixel beyond it.

    Args:
        annotation: The boxes.
        size: Width and height of the picture in pixels.

    Raises:
        UserError: There is no box; a class is unknown; a box is empty or reaches further beyond the picture.
    """
    where = f"{annotation.file}: picture {annotation.picture}"
    if not annotation.boxes:
        raise UserError(f"{where} has no boxes: draw them, or remove the file")
    labels = [_label(name, where) for name in annotation.names]
    corners = np.array(annotation.boxes)
    if annotation.relative:
        corners *= np.tile(size, 2)
    inside = corners.clip(0, np.tile(size, 2))
    beyond = np.abs(corners - inside).max(axis=1)
    # Shares are written with six digits: a hundredth of a pixel is rounding.
    fits = (beyond <= CLIPPED + 0.01) & (inside[:, 2:] > inside[:, :2]).all(axis=1)
    for number in np.flatnonzero(~fits):
        corner = ", ".join(f"{value:g}" for value in corners[number])
        problem = f"is empty or reaches beyond the picture of {size[0]} x {size[1]} pixels"
        raise UserError(f"{where}: box {number + 1} ({annotation.names[number]}: {corner}) {problem}: correct it")
    return CheckedBoxes(inside.astype(np.float32), np.array(labels, np.int64), int((beyond > 0.01).sum()))


def _label(name: str, where: str) -> int:
    if name == UNKNOWN_NAME:
        return UNKNOWN
    found = class_of(_OF_GROUP.get(name.upper(), name))
    if found is None:
        known = f"A1 to G22 or 1 to 22, X and Y, or {UNKNOWN_NAME} where the class is not known"
        raise UserError(f"{where}: unknown class {name!r}: a class is {known}")
    return CHROMOSOMES.index(found)


def write_coco(file: Path, pictures: Mapping[str, MetaphasePicture]) -> None:
    """Write the boxes of composed pictures, by their file names, as COCO json."""
    categories = [{"id": number, "name": name} for number, name in enumerate(CHROMOSOMES, 1)]
    images = []
    annotations: list[dict[str, Any]] = []
    for number, (name, picture) in enumerate(pictures.items(), 1):
        height, width = picture.pixels.shape
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for one in picture.chromosomes:
            left, top, right, bottom = one.box.tolist()
            of_box = {"bbox": [left, top, right - left, bottom - top], "category_id": CHROMOSOMES.index(one.label) + 1}
            annotations.append({"id": len(annotations) + 1, "image_id": number, **of_box})
    write_json(file, {"images": images, "categories": categories, "annotations": annotations})


def write_voc(file: Path, names: Iterable[str], boxes: Iterable[Sequence[float]]) -> None:
    """Write the classes and the boxes (left, top, right, bottom in pixels) of a picture as Pascal VOC."""
    root = ElementTree.Element("annotation")
    for name, box in zip(names, boxes, strict=True):
        entry = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(entry, "name").text = name
        corners = ElementTree.SubElement(entry, "bndbox")
        for side, value in zip(_SIDES, box, strict=True):
            ElementTree.SubElement(corners, side).text = f"{value:g}"
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8")


def _read_voc(root: Path) -> Iterator[Annotation]:
    for file in _files(root, ".xml"):
        annotation = Annotation(file, file.stem)
        with _readable(file, "Pascal VOC"):
            for entry in ElementTree.parse(file).getroot().iter("object"):
                sides = [float(entry.findtext(f"bndbox/{side}", "missing")) for side in _SIDES]
                annotation.add(entry.findtext("name", "").strip(), sides)
        yield annotation


def _read_coco(root: Path) -> Iterator[Annotation]:
    for file in _files(root, ".json"):
        with _readable(file, "COCO"):
            content = json.loads(file.read_text(encoding="utf-8"))
            names = {entry["id"]: entry["name"] for entry in content["categories"]}
            pictures = {entry["id"]: Annotation(file, Path(entry["file_name"]).stem) for entry in content["images"]}
            for entry in content["annotations"]:
                left, top, width, height = entry["bbox"]
                box = (left, top, left + width, top + height)
                pictures[entry["image_id"]].add(names[entry["category_id"]], box)
        yield from pictures.values()


def _read_yolo(root: Path) -> Iterator[Annotation]:
    files = [file for file in _files(root, ".txt") if "labels" in file.relative_to(root).parts]
    names = _yolo_names(root) if files else {}
    for file in files:
        annotation = Annotation(file, file.stem, relative=True)
        with _readable(file, "YOLO"):
            for line in filter(str.strip, file.read_text(encoding="utf-8").splitlines()):
                number, x, y, width, height = map(float, line.split())
                box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
                annotation.add(names[int(number)], box)
        yield annotation


def _yolo_names(root: Path) -> dict[int, str]:
    """Return the names of the classes by their numbers."""
    for file in _files(root, "classes.txt"):
        return dict(enumerate(file.read_text(encoding="utf-8").split()))
    for file in _files(root, ".yaml"):
        with _readable(file, "YOLO"):
            names = yaml.safe_load(file.read_text(encoding="utf-8"))["names"]
            pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
            return {number: str(name) for number, name in pairs}
    raise UserError(f"{root} has labels of YOLO without their classes: add classes.txt, or a .yaml file with names")


def _files(root: Path, ending: str) -> list[Path]:
    """Return the files below a folder whose name ends so, in natural order, without hidden ones."""
    files = [file for file in root.rglob(f"*{ending}") if not any(map(is_system, file.relative_to(root).parts))]
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


@contextmanager
def _readable(file: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong in reading a file into a ``UserError``."""
    try:
        yield
    except (ElementTree.ParseError, yaml.YAMLError, OSError, ValueError, LookupError, TypeError) as error:
        detail = " ".join(str(error).split())
        raise UserError(f"{file} is no readable {kind} file ({type(error).__name__}: {detail}): correct it") from error

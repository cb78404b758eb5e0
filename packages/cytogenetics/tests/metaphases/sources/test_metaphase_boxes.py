"""Pascal VOC and COCO give the same boxes; what is wrong in them is named."""

import json

import numpy as np
import pytest

from cytogenetics.metaphases.sources.metaphase_boxes import UNKNOWN, Annotation, check_boxes, read_annotations
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.metaphases.data.sets import BOXES, SIZE, write_voc

COCO = {
    "images": [{"id": 7, "file_name": "pictures/p.jpg"}],
    "categories": [{"id": 3, "name": "A1"}, {"id": 5, "name": "X"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [2, 3, 28, 17]},
        {"image_id": 7, "category_id": 5, "bbox": [20, 10, 20, 30]},
    ],
}


def write_coco(root):
    (root / "boxes.json").write_text(json.dumps(COCO))


def write_exported(root):
    """COCO of Windows beside settings of a program; each box comes twice, rounded."""
    twice = [{**entry, "bbox": [value + 0.1 for value in entry["bbox"]]} for entry in COCO["annotations"]]
    image = {"id": 7, "file_name": "pictures\\p.jpg", "width": SIZE[0], "height": SIZE[1]}
    content = {**COCO, "images": [image], "annotations": COCO["annotations"] + twice}
    (root / "boxes.json").write_text(json.dumps(content))
    (root / "a_settings.json").write_text("[1]")


FORMATS = {
    "Pascal VOC": lambda root: write_voc(root / "p.xml"),
    "COCO": write_coco,
    "COCO as exported": write_exported,
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_boxes(tmp_path, name):
    FORMATS[name](tmp_path)
    write_voc(tmp_path / "__MACOSX" / "p.xml")  # which systems leave
    form, (annotation,) = read_annotations(tmp_path)
    assert name.startswith(form)
    assert annotation.picture == "p"
    boxes = check_boxes(annotation, SIZE)
    assert np.allclose(boxes.corners, [corners for _, corners in BOXES], atol=1e-3)
    assert boxes.corners.dtype == np.float32
    assert boxes.labels.tolist() == [0, CHROMOSOMES.index("X")]
    assert boxes.clipped == 0


def test_boxes_of_another_size_are_refused(tmp_path):
    annotation = Annotation(tmp_path, "p", size=(32, 24), names=["X"], boxes=[(1, 2, 10, 20)])
    with pytest.raises(UserError, match=r"the annotation is of 32 x 24, the picture has 64 x 48"):
        check_boxes(annotation, SIZE)


@pytest.mark.parametrize(
    ("name", "label"), [("A1", "1"), ("G22", "22"), ("x", "X"), ("chr7", "7"), ("24", "Y"), ("chromosome", None)]
)
def test_names_of_classes(tmp_path, name, label):
    annotation = Annotation(tmp_path, "p", names=[name], boxes=[(0, 0, 5, 5)])
    expected = UNKNOWN if label is None else CHROMOSOMES.index(label)
    assert check_boxes(annotation, SIZE).labels.tolist() == [expected]


def test_a_box_may_reach_a_pixel_beyond_the_picture_and_is_clipped(tmp_path):
    annotation = Annotation(tmp_path, "p", names=["X", "X"], boxes=[(-1, 4, 65, 20), (3, 4, 9, 20)])
    boxes = check_boxes(annotation, SIZE)
    assert boxes.corners.tolist() == [[0, 4, 64, 20], [3, 4, 9, 20]]
    assert boxes.clipped == 1


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], r"p.xml: picture p has no boxes"),
        ([("A4", (1, 2, 3, 4))], r"p.xml: picture p: unknown class 'A4': a class is A1 to G22"),
        ([("X", (1, 2, 9, 9)), ("Y", (1, 2, 66.5, 4))], r"box 2 \(Y: 1, 2, 66.5, 4\) .* picture of 64 x 48 pixels"),
        ([("X", (5, 2, 5, 9))], r"box 1 \(X: 5, 2, 5, 9\) is empty"),
        ([("X", (float("nan"), 2, 5, 9))], r"box 1 \(X: nan"),
    ],
)
def test_boxes_that_do_not_fit_are_named(tmp_path, boxes, message):
    write_voc(tmp_path / "p.xml", boxes)
    (annotation,) = read_annotations(tmp_path)[1]
    with pytest.raises(UserError, match=message):
        check_boxes(annotation, SIZE)


def voc_with(root, text):
    file = write_voc(root / "p.xml")
    file.write_text(file.read_text().replace("<annotation>", f"<annotation>{text}"))


TURNED = {**COCO, "annotations": [{**COCO["annotations"][0], "attributes": {"rotation": 90}}]}


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: (root / "p.xml").write_text("<annotation>"), r"p.xml is no readable Pascal VOC file"),
        (lambda root: write_voc(root / "p.xml", [("X", (1, 2, "", 4))]), r"p.xml is no readable Pascal VOC file"),
        (lambda root: (root / "b.json").write_text('{"images": []}'), r"b.json .* 'categories' is missing: correct it"),
        (lambda root: (root / "b.json").write_text(json.dumps(TURNED)), r"b.json: a box is turned"),
        (lambda root: voc_with(root, "<object><robndbox/></object>"), r"p.xml: a box is turned"),
        (lambda root: voc_with(root, "<filename>q.png</filename>"), r"p.xml is of the picture q.png: give both"),
        (lambda root: None, r"no boxes in .*: bring <picture>.xml \(Pascal VOC\)"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, write, message):
    write(tmp_path)
    with pytest.raises(UserError, match=message):
        read_annotations(tmp_path)

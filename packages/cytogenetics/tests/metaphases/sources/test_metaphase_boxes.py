"""Pascal VOC, COCO and YOLO give the same boxes; what is wrong in them is named."""

import json

import numpy as np
import pytest

from cytogenetics.metaphases.sources.metaphase_boxes import UNKNOWN, Annotation, read_annotations
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


def write_yolo(root, names=("classes.txt", "A1\nX\n")):
    (root / "labels").mkdir()
    width, height = SIZE
    lines = []
    for number, (_, (left, top, right, bottom)) in enumerate(BOXES):
        middle = f"{(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f}"
        lines.append(f"{number} {middle} {(right - left) / width:.6f} {(bottom - top) / height:.6f}\n")
    (root / "labels" / "p.txt").write_text("".join(lines))
    (root / names[0]).write_text(names[1])


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
    "YOLO": write_yolo,
    "YOLO of labelImg": lambda root: write_yolo(root, ("labels/classes.txt", "A1\nX\n")),
    "YOLO with a list": lambda root: write_yolo(root, ("data.yaml", "names: [A1, X]\n")),
    "YOLO with numbers": lambda root: write_yolo(root, ("data.yaml", "names: {0: A1, 1: X}\n")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_boxes(tmp_path, name):
    FORMATS[name](tmp_path)
    write_voc(tmp_path / "__MACOSX" / "p.xml")  # which systems leave
    form, (annotation,) = read_annotations(tmp_path)
    assert name.startswith(form)
    assert annotation.picture == "p"
    boxes = annotation.checked(SIZE)
    assert np.allclose(boxes.corners, [corners for _, corners in BOXES], atol=1e-3)
    assert boxes.corners.dtype == np.float32
    assert boxes.labels.tolist() == [0, CHROMOSOMES.index("X")]
    assert boxes.clipped == 0


def test_each_line_of_the_list_of_classes_is_one_class(tmp_path):
    write_yolo(tmp_path, ("classes.txt", "chr 1\n\nX\n"))
    (annotation,) = read_annotations(tmp_path)[1]
    assert annotation.names == ["chr 1", "X"]


TURNED = {"bbox": [20, 10, 20, 10], "image_id": 7, "category_id": 3, "attributes": {"rotation": 90}}


def write_turned_voc(root):
    box = "<robndbox><cx>30</cx><cy>15</cy><w>20</w><h>10</h><angle>1.5707963</angle></robndbox>"
    (root / "p.xml").write_text(f"<annotation><object><name>A1</name>{box}</object></annotation>")


@pytest.mark.parametrize(
    "write",
    [
        lambda root: (root / "b.json").write_text(json.dumps({**COCO, "annotations": [TURNED]})),
        write_turned_voc,
        lambda root: yolo_and(
            root, "labels/p.txt", "0 .390625 .104166 .546875 .104166 .546875 .520833 .390625 .520833\n"
        ),
    ],
)
def test_of_a_turned_box_the_upright_one_around_it_is_used(tmp_path, write):
    write(tmp_path)
    (annotation,) = read_annotations(tmp_path)[1]
    assert annotation.turned == ["A1"]
    assert annotation.checked(SIZE).corners[0] == pytest.approx([25, 5, 35, 25], abs=0.01)


def test_boxes_of_another_size_are_refused_or_scaled(tmp_path):
    annotation = Annotation(tmp_path, "p", size=(32, 24), names=["X"], boxes=[(1, 2, 10, 20)])
    with pytest.raises(
        UserError, match=r"the annotation is of 32 x 24, the picture has 64 x 48.*data.scale_boxes=true"
    ):
        annotation.checked(SIZE)
    assert annotation.checked(SIZE, scale=True).corners.tolist() == [[2, 4, 20, 40]]
    with pytest.raises(UserError, match="EXIF turns it"):
        annotation.checked((24, 32), scale=True)
    with pytest.raises(UserError, match="bring the picture"):
        annotation.checked((64, 40), scale=True)


@pytest.mark.parametrize(
    ("name", "label"), [("A1", "1"), ("G22", "22"), ("x", "X"), ("chr7", "7"), ("24", "Y"), ("chromosome", None)]
)
def test_names_of_classes(tmp_path, name, label):
    annotation = Annotation(tmp_path, "p", names=[name], boxes=[(0, 0, 5, 5)])
    expected = UNKNOWN if label is None else CHROMOSOMES.index(label)
    assert annotation.checked(SIZE).labels.tolist() == [expected]


def test_a_box_may_reach_a_pixel_beyond_the_picture_and_is_clipped(tmp_path):
    annotation = Annotation(tmp_path, "p", names=["X", "X"], boxes=[(-1, 4, 65, 20), (3, 4, 9, 20)])
    boxes = annotation.checked(SIZE)
    assert boxes.corners.tolist() == [[0, 4, 64, 20], [3, 4, 9, 20]]
    assert boxes.clipped == 1


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], r"p.xml: picture p has no boxes"),
        ([("A4", (1, 2, 3, 4))], r"p.xml: picture p: unknown class 'A4': a class is A1 to G22"),
        ([("X", (1, 2, 9, 9)), ("Y", (1, 2, 66.5, 4))], r"box 2 \(Y: 1, 2, 66.5, 4\) .* picture of 64 x 48 pixels"),
        ([("X", (5, 2, 5, 9))], r"box 1 \(X: 5, 2, 5, 9\) is smaller than a pixel"),
        ([("X", (0.1, 0.2, 0.4, 0.6))], r"box 1 .* is smaller than a pixel"),  # shares of the picture
        ([("X", (float("nan"), 2, 5, 9))], r"box 1 \(X: nan"),
    ],
)
def test_boxes_that_do_not_fit_are_named(tmp_path, boxes, message):
    write_voc(tmp_path / "p.xml", boxes)
    (annotation,) = read_annotations(tmp_path)[1]
    with pytest.raises(UserError, match=message):
        annotation.checked(SIZE)


def voc_with(root, text):
    file = write_voc(root / "p.xml")
    file.write_text(file.read_text().replace("<annotation>", f"<annotation>{text}"))


def yolo_and(root, name, text):
    write_yolo(root)
    (root / name).write_text(text)


def without_names(root):
    write_yolo(root)
    (root / "classes.txt").unlink()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: (root / "p.xml").write_text("<annotation>"), r"p.xml is no readable Pascal VOC file"),
        (lambda root: write_voc(root / "p.xml", [("X", (1, 2, "", 4))]), r"p.xml is no readable Pascal VOC file"),
        (lambda root: (root / "b.json").write_text('{"images": []}'), r"b.json .* 'categories' is missing: correct it"),
        (
            lambda root: (root / "b.json").write_text(json.dumps({**COCO, "images": COCO["images"] * 2})),
            r"b.json: two of its images have one id",
        ),
        (lambda root: (root / "b.json").write_text('{"shapes": []}'), r"in LabelMe's own format: export it as COCO"),
        (
            lambda root: (root / "b.json").write_text('{"_via_img_metadata": {}}'),
            r"VIA's own format: export it as COCO",
        ),
        (lambda root: (root / "p.xml").write_text("<annotations/>"), r"CVAT's own format: export it as COCO 1.0"),
        (lambda root: voc_with(root, "<filename>q.png</filename>"), r"p.xml is of the picture q.png: give both"),
        (lambda root: write_yolo(root, ("classes.txt", "A1\n")), r"p.txt: class 1 is not among the 1 of the list"),
        (
            lambda root: yolo_and(root, "data.yaml", "names: [X, A1]\n"),
            r"classes.txt and .*data.yaml list other classes",
        ),
        (lambda root: yolo_and(root, "labels/q.txt", "0 .5 .5 .1 .1 .9\n"), r"q.txt: a line of 6 numbers"),
        (without_names, r"labels of YOLO without their classes: add classes.txt"),
        (lambda root: None, r"no boxes in .*: bring <picture>.xml \(Pascal VOC\)"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, write, message):
    write(tmp_path)
    with pytest.raises(UserError, match=message):
        read_annotations(tmp_path)

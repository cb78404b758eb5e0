"""Each annotation file is read as what it is; all formats give the same boxes; what is wrong in them is named."""

import json

import numpy as np
import pytest

from cytogenetics.metaphases.sources.metaphase_boxes import UNKNOWN, Annotation, read_annotations
from karyocyte.common.errors import UserError
from karyocyte.common.files import MARK
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
# Of Windows, with numbers as text, texts as numbers and a picture without boxes; each box comes twice, rounded.
TWICE = [{**entry, "bbox": [value + 0.1 for value in entry["bbox"]]} for entry in COCO["annotations"]]
IMAGES = [{"id": "7", "file_name": "a\\p.jpg", "width": SIZE[0], "height": SIZE[1]}, {"id": 8, "file_name": 8}]
EXPORTED = COCO | {"images": IMAGES, "annotations": COCO["annotations"] + TWICE}
EXPORTED["categories"] = [{"id": 3, "name": 1}, {"id": 5, "name": "X "}]
OTHERS = {  # what lies beside boxes in the folders of systems, microscopes and programs
    "__MACOSX/p.xml": "<annotation/>",
    "outputs/p.xml": "<annotation/>",
    f"outputs/{MARK}": "",
    "p_meta.xml": '<?xml version="1.0" encoding="utf-16"?><ImageMetadata/>',
    "notes.xml": "<annotation><author>me</author></annotation>",
    "settings.json": "3",
    "empty.json": {"images": [], "annotations": [], "categories": []},
    "studio.json": [{"id": 1, "data": {}, "annotations": []}],
    "train.txt": f"1{' ' * 60}images/p.jpg",
    "stage.txt": "1 0.5 20.25 7 80",
}
NAMES = {"classes.txt": "A1\nX\n"}


def yolo(names=NAMES, more="", file="labels/p.txt"):
    """Files of YOLO by their names; ``more`` follows each box."""
    lines = ""
    for number, (_, corners) in enumerate(BOXES):
        left, top, right, bottom = corners / np.tile(SIZE, 2)
        sides = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        lines += f"{number} {' '.join(f'{side:.6f}' for side in sides)} {more}\n"
    return {file: lines, **names}


def write_files(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content))


FORMATS = {
    "Pascal VOC": {},
    "COCO": {"boxes.json": COCO},
    "COCO as exported": {"boxes.json": EXPORTED},
    "YOLO": yolo(),
    "YOLO of labelImg": yolo({"labels/classes.txt": "A1\n\nX\n"}),
    "YOLO with a list": yolo({"data.yml": "names: [A1, X]\n"}),
    "YOLO with numbers": yolo({"data.yaml": "names: {0: A1, 1: X}\n"}),
    "YOLO of Darknet": yolo({"obj.names": "A1\nX\n"}, file="obj_train_data/p.jpg.txt"),
    "YOLO of poses": yolo(NAMES | {"a.yaml": "names: [A1, X]", "b.yaml": "kpt_shape: [2, 2]"}, ".3 .2 .3 .5"),
}


@pytest.mark.parametrize("disguise", ["", "upper", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_boxes(tmp_path, name, disguise):
    write_files(tmp_path, OTHERS | FORMATS[name])
    if name == "Pascal VOC":
        write_voc(tmp_path / ("p.JPG.xml" if disguise else "p.xml"))
    for file in sorted(tmp_path.rglob("*.*")):
        if disguise == "upper":
            file.rename(file.with_suffix(file.suffix.upper()))
        elif disguise:
            file.write_text(file.read_text(), encoding=disguise)
    form, (annotation,), passed_over = read_annotations(tmp_path)
    assert (name.startswith(form), annotation.picture) == (True, "p")
    assert sorted(passed_over.values()) == [1, len(OTHERS) - 5]
    boxes = annotation.checked(SIZE)
    assert np.allclose(boxes.corners, [corners for _, corners in BOXES], atol=1e-3)
    assert boxes.corners.dtype == np.float32
    assert boxes.labels.tolist() == [0, CHROMOSOMES.index("X")]
    assert list(boxes.remarks.values()) == [2] * (name == "COCO as exported")


def test_boxes_belong_to_the_picture_of_their_whole_name_where_there_is_one(tmp_path):
    write_files(tmp_path, yolo(file="p.tif.txt"))
    (tmp_path / "p.tif.png").touch()
    assert read_annotations(tmp_path)[1][0].picture == "p.tif"


@pytest.mark.parametrize(("label", "kind"), [("A1", "of one class"), ("X", "of two classes")])
def test_near_copies_of_boxes_are_counted(tmp_path, label, kind):
    write_voc(tmp_path / "p.xml", [("A1", (2, 3, 12, 33)), (label, (7, 2, 17, 32)), ("A1", (7, 2, 17, 42))])
    (annotation,) = read_annotations(tmp_path)[1]
    boxes = annotation.checked(SIZE)
    assert len(boxes.corners) == 3
    ((what, count),) = boxes.remarks.items()
    assert (kind in what, count) == (True, 1)


INFINITE = {**COCO["images"][0], "width": float("inf"), "height": 48}
TURNED = {"bbox": [20, 10, 20, 10], "image_id": 7, "category_id": 3, "attributes": {"rotation": 90}, "iscrowd": 1}
VOC = "<annotation><object><name>A1</name>{}<difficult>1</difficult></object></annotation>"
ROBNDBOX = "<robndbox><cx>30</cx><cy>15</cy><w>20</w><h>10</h><angle>1.5707963</angle></robndbox>"
ROTATION = "<attributes><attribute><name>rotation</name><value>90</value></attribute></attributes>"
LYING = f"<bndbox><xmin>20</xmin><ymin>10</ymin><xmax>40</xmax><ymax>20</ymax></bndbox>{ROTATION}"
CORNERS = "0 .390625 .104166 .546875 .104166 .546875 .520833 .390625 .520833\n"


@pytest.mark.parametrize(
    ("files", "marked"),
    [
        ({"b.json": {**COCO, "annotations": [TURNED]}}, 1),
        ({"p.xml": VOC.format(ROBNDBOX)}, 1),
        ({"p.xml": VOC.format(LYING)}, 1),
        (yolo() | {"labels/p.txt": CORNERS}, 0),
    ],
)
def test_of_a_turned_box_the_upright_one_around_it_is_used_and_marks_are_counted(tmp_path, files, marked):
    write_files(tmp_path, files)
    (annotation,) = read_annotations(tmp_path)[1]
    boxes = annotation.checked(SIZE)
    assert boxes.corners[0] == pytest.approx([25, 5, 35, 25], abs=0.01)
    assert sum(count for what, count in boxes.remarks.items() if "turned" in what) == 1
    assert sum(count for what, count in boxes.remarks.items() if "marked" in what) == marked


def test_boxes_of_another_size_are_refused_or_scaled(tmp_path):
    annotation = Annotation(tmp_path, "p", size=(32, 24), names=["X"], boxes=[(1, 2, 10, 20)])
    for size, scale, message in (
        (SIZE, False, r"the annotation is of 32 x 24, the picture has 64 x 48.*data.scale_boxes=true"),
        ((24, 32), True, "EXIF turns it"),
        ((64, 40), True, "bring the picture"),
    ):
        with pytest.raises(UserError, match=message):
            annotation.checked(size, scale=scale)
    assert annotation.checked(SIZE, scale=True).corners.tolist() == [[2, 4, 20, 40]]


def test_names_of_classes(tmp_path):
    names = {"A1": "1", "G22": "22", "x": "X", "chr7": "7", "24": "Y"}
    annotation = Annotation(tmp_path, "p", names=[*names, "chromosome"], boxes=[(0, 0, 5, 5)] * 6)
    assert annotation.checked(SIZE).labels.tolist() == [*map(CHROMOSOMES.index, names.values()), UNKNOWN]


def test_a_box_may_reach_a_pixel_beyond_the_picture_and_is_clipped(tmp_path):
    annotation = Annotation(tmp_path, "p", names=["X"] * 3, boxes=[(-1, 4, 65, 20), (3, 4, 9, 20), (-1, 4, 65, 20)])
    boxes = annotation.checked(SIZE)
    assert boxes.corners.tolist() == [[0, 4, 64, 20], [3, 4, 9, 20]]
    assert list(boxes.remarks.values()) == [1, 1]  # given twice, clipped


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], r"p.xml: picture p has no boxes"),
        ([("A4", (1, 2, 3, 4))], r"p.xml: picture p: unknown class 'A4': a class is A1 to G22"),
        ([("X", (1, 2, 9, 9)), ("Y", (1, 2, 66.5, 4))], r"box 2 \(Y: 1, 2, 66.5, 4\) .* picture of 64 x 48 pixels"),
        ([("X", (5, 2, 5, 9))], r"box 1 \(X: 5, 2, 5, 9\) is smaller than a pixel"),
        ([("X", (0.1, 0.2, 0.4, 0.6))], r"box 1 .* is smaller than a pixel"),  # shares of the picture
        ([("X", (float("nan"), 2, 5, 9))], r"box 1 \(X: nan"),
        ([("X", (1, 2, "", 4))], r"box 1 \(X: 1, 2, nan, 4"),
    ],
)
def test_boxes_that_do_not_fit_are_named(tmp_path, boxes, message):
    write_voc(tmp_path / "p.xml", boxes)
    (tmp_path / "p.png").touch()
    (annotation,) = read_annotations(tmp_path)[1]
    with pytest.raises(UserError, match=message):
        annotation.checked(SIZE)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"p.xml": "<annotation>"}, r"p.xml is no readable .xml file"),
        ({"p.xml": VOC.format("<bndbox><xmin>w</xmin></bndbox>")}, r"p.xml is no readable Pascal VOC file .*'w'"),
        ({"p.xml": "<annotation><filename>q.png</filename></annotation>"}, r"p.xml is of the picture q.png: give both"),
        ({"b.json": "{\0}\0"}, r"b.json is no text file"),
        ({"b.json": {"images": [], "annotations": []}}, r"b.json is .*'categories' is missing\): correct it"),
        ({"b.json": {**COCO, "images": COCO["images"] * 2}}, r"b.json: two of its images have one id"),
        ({"b.json": {**COCO, "categories": [{"id": 3}, {"id": "3"}]}}, r"b.json: two of its categories have one id"),
        ({"b.json": {**COCO, "images": [INFINITE]}}, r"b.json is no readable COCO file .*infinity"),
        ({"b.json": {"images": []}}, r"; b.json is in no known format of boxes: export them"),
        ({"b.json": {"shapes": []}}, r"b.json is in LabelMe's own format: export them as COCO"),
        ({"b.json": {"_via_img_metadata": {}}}, r"b.json is in VIA's own format: export them as COCO"),
        ({"b.json": OTHERS["studio.json"]}, r"b.json is in Label Studio's own format: export them as COCO"),
        ({"b.json": [{"image": "p.png", "annotations": []}]}, r"b.json is in CreateML's own format: export them"),
        ({"b.json": [TURNED]}, r"b.json is in COCO's format of results, without images: export them as COCO"),
        ({"p.xml": "<annotations/>"}, r"p.xml is in CVAT's own format: export them as COCO"),
        (yolo({"classes.txt": "chr 1\n"}), r"p.txt: class 1 is not among the 1 of the list"),
        (yolo(NAMES | {"data.yaml": "names: [X, A1]\n"}), r"classes.txt and .*data.yaml list other classes"),
        (yolo({"data.yml": "names: [A1"}), r"data.yml is no readable .yml file .*: correct it, or take it out"),
        (yolo({"data.yaml": "names: [A1, X]\nkpt_shape: 2\n"}), r"data.yaml is no readable list of classes"),
        (yolo() | {"Labels/q.txt": "A1 .5 .5 .1 .1\n"}, r"q.txt is no readable YOLO file .*'A1'"),
        (yolo({}), r"p.txt has labels of YOLO without their classes: add classes.txt"),
        (yolo(more=".9"), r"p.txt: a line of 6 numbers .* need kpt_shape"),  # a confidence
        (yolo({"data.yaml": "names: [A1, X]\nkpt_shape: [3, 2]\n"}, ".3 .2 .3 .5"), r"a line of 9 numbers"),
        (yolo({"data.yaml": "names: [A1, X]\nkpt_shape: 2x2\n"}), r"data.yaml is no readable list of classes"),
        (yolo({"data.yaml": "names: A1, X\n"}), r"data.yaml: names: A1, X is no list"),
        # One key point; two, and one of them is not seen; two with whether they are seen.
        (yolo() | {"labels/p.txt": "0 .5 .6 .05 .1 .51 .61"}, r"a line of 7 numbers .* need kpt_shape"),
        (yolo() | {"labels/p.txt": "0 .5 .6 .05 .1 .5 .56 0 0"}, r"a line of 9 numbers .* need kpt_shape"),
        (yolo() | {"labels/p.txt": "0 .5 .6 .05 .1 .5 .56 2 .5 .64 1"}, r"a line of 11 numbers .* need kpt_shape"),
        ({}, r"no boxes in [^;]*: export them as COCO"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, files, message):
    write_files(tmp_path, files)
    with pytest.raises(UserError, match=message):
        read_annotations(tmp_path)

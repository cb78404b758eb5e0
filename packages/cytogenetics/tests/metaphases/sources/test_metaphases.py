"""Metaphases: cases by name, what the lists declare, boxes beside each picture, and what is refused."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from cytogenetics.config.sources import SyntheticMetaphasesConfig
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.metaphases.sources.synthetic_metaphases import draw_metaphase
from datamodules.io.decode import read_image
from datamodules.sources import SourceContext, list_source
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.metaphases.data.sets import LISTS, PICTURES, write_metaphases, write_picture, write_voc
from tests.helpers.images import break_image
from tests.helpers.manifests import facts_of
from tests.helpers.real_data import real_data
from tests.helpers.sources import list_images, scan, source_config

DRAWN = SyntheticMetaphasesConfig(source="synthetic_metaphases", cells=3, cases=3, abnormal=0.3)
FOLDER = "24_chromosomes_object"
PICTURE = f"{FOLDER}/JEPG/1050012.jpg"


def listed(root, tmp_path, **keys):
    return list_images(source_config("metaphases", **keys), str(root), tmp_path / "cache", progress=False)


def test_cases_lists_and_boxes_of_the_data_set(tmp_path):
    listing = listed(write_metaphases(tmp_path / "data"), tmp_path)
    frame = listing.frame.set_index("image_id")
    assert list(frame.index) == ["105044", "1050011", "1050012", "1050031_1", "1050041"]
    assert list(frame["subject"]) == ["10504", "105001", "105001", "105003", "105004"]
    assert list(frame["label"]) == [None, "normal", "normal", "normal", "abnormal"]
    assert list(frame["kind"]) == [None, "normal", "normal", "normal", "numerical"]
    assert (listing.classes, listing.positive_class) == (("normal", "abnormal"), "abnormal")
    assert listing.notes[0].startswith("5 pictures with 10 boxes (Pascal VOC)")
    assert listing.notes[1] == "in no list: 1 pictures; listed without picture: 1"
    assert (listing.source, listing.synthetic, set(frame["part"])) == ("metaphases", False, {None})
    for boxes, labels in zip(frame["boxes"], frame["chromosomes"], strict=True):
        assert np.array_equal(boxes, np.float32([[2, 3, 30, 20], [20, 10, 40, 40]]))
        assert labels.tolist() == [CHROMOSOMES.index("1"), CHROMOSOMES.index("X")]


@pytest.mark.parametrize(
    ("name", "case"), [("1050431", "105043"), ("104011", "10401"), ("1050221_1", "105022"), ("unknow123", "unknow")]
)
def test_the_case_is_the_name_without_the_number_of_the_picture(tmp_path, name, case):
    root = write_metaphases(tmp_path / "data", [name], lists={})
    assert listed(root, tmp_path).frame["subject"].tolist() == [case]


def test_without_lists_all_pictures_are_of_one_class_and_of_no_known_subject(tmp_path):
    root = write_metaphases(tmp_path / "data", ["a", "b"], lists={}, suffix=".png")
    write_picture(root / "c.png", 0)
    listing = listed(root, tmp_path, subject_regex=None)
    assert listing.classes == ("metaphase",)
    assert listing.frame["subject"].tolist() == [None, None]
    assert len(listing.frame) == 2
    assert listing.notes[1] == "pictures without boxes, left out: 1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
@pytest.mark.parametrize("heading", ["filename,description", "sep=,\nfilename,description\n,"])
def test_lists_in_any_case_and_encoding_are_read_and_one_without_rows(tmp_path, encoding, heading):
    root = write_metaphases(tmp_path / "data", lists={"normal.csv": LISTS["normal.csv"]})
    (root / "Number_Abnormalities.CSV").write_text(LISTS["number_abnormalities.csv"].replace("X, Y", "ß"), encoding)
    (root / "structural_abnormalities.csv").write_text(f"{heading}\n", encoding)
    assert listed(root, tmp_path).frame["kind"].value_counts().to_dict() == {"normal": 3, "numerical": 1}


@pytest.mark.parametrize(
    ("linked", "problem"),
    [("inner", "no boxes"), ("inner/normal.csv", "normal.csv is behind"), ("lists", "Normal.CSV is behind")],
)
def test_a_data_set_or_a_list_behind_a_link_is_refused_or_read(tmp_path, linked, problem):
    root = write_metaphases(tmp_path / "data" / "inner").parent
    if linked == "lists":
        (root / linked).mkdir()
        (root / "inner" / "normal.csv").rename(root / linked / "Normal.CSV")
    (root / linked).rename(tmp_path / "elsewhere")
    (root / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{problem}.*follow_links=true"):
        listed(root, tmp_path)
    context = SourceContext(str(root), tmp_path / "cache", progress=False, follow_links=True)
    assert list_source(source_config("metaphases"), context).frame["kind"].value_counts()["normal"] == 3


def test_pictures_with_marks_are_left_out(tmp_path):
    root = write_metaphases(tmp_path / "data", [*PICTURES, "1050021"])
    listing = listed(root, tmp_path)
    assert "1050021" not in set(listing.frame["image_id"])
    assert listing.notes[1] == "pictures with marks, left out (data.marked): 1"
    assert "1050021" in set(listed(root, tmp_path, marked="keep").frame["image_id"])


def test_a_broken_picture_is_named_or_skipped_with_its_boxes(tmp_path):
    root = write_metaphases(tmp_path / "data")
    break_image(root / FOLDER / "JEPG" / "1050011.jpg")
    (root / FOLDER / "JEPG" / "1050012.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken image .*1050011.jpg"):
        scan(source_config("metaphases"), str(root), tmp_path / "cache", progress=False)
    skipping = source_config("metaphases", on_broken="skip")
    frame = scan(skipping, str(root), tmp_path / "cache", progress=False).frame
    assert set(frame["image_id"]) == set(PICTURES) - {"1050011", "1050012"}
    assert [len(boxes) for boxes in frame["boxes"]] == [2, 2, 2]


def two_formats(root):
    content = {"images": [{"id": 1, "file_name": "1050012.jpg"}], "categories": [{"id": 1, "name": "X"}]}
    content["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 30, 20]}]
    (root / "corrected.json").write_text(json.dumps(content))


def shown_turned(root):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    Image.open(root / PICTURE).save(root / PICTURE, exif=exif)


def other_name(root):
    for folder, suffix in (("JEPG", "jpg"), ("annotations", "xml")):
        (root / FOLDER / folder / f"1050012.{suffix}").rename(root / FOLDER / folder / f"cell2.{suffix}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / PICTURE).unlink(), r"1050012.xml: no picture spelled 1050012 in .*take out its boxes"),
        (lambda root: write_picture(root / "1050012.png", 9), r"two pictures have the name 1050012: .*rename one"),
        (lambda root: write_voc(root / "1050012.xml"), r"1050012 are in .*1050012.xml and in .*1050012.xml: keep one"),
        (two_formats, r"1050012 are in .*1050012.xml and in .*corrected.json: keep one, or one format"),
        (
            lambda root: (root / "structural_abnormalities.csv").write_text(LISTS["normal.csv"]),
            r"structural_abnormalities.csv: 1050011 is declared normal, too",
        ),
        (lambda root: (root / "normal.csv").write_text("name\n1050011.jpg\n"), r"normal.csv has no column filename"),
        (shown_turned, r"1050012.jpg is shown turned or mirrored \(EXIF orientation 3\)"),
        (other_name, r"cell2: no subject found by data.subject_regex"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    root = write_metaphases(tmp_path / "data")
    change(root)
    with pytest.raises(UserError, match=message):
        listed(root, tmp_path)


def test_synthetic_metaphases_have_the_boxes_and_karyotypes_that_they_are_drawn_with(tmp_path):
    manifest = scan(DRAWN, None, tmp_path, progress=False)
    frame = manifest.frame
    assert (manifest.source, manifest.synthetic, manifest.positive_class) == ("synthetic_metaphases", True, "abnormal")
    assert (frame["subject"].nunique(), set(frame["part"]), manifest.notes[1][:10]) == (3, {None}, "3 pictures")
    assert frame["label"].tolist() == ["normal", "normal", "abnormal"]
    for cell, row in frame.iterrows():
        picture = draw_metaphase(DRAWN, cell)
        image = read_image(manifest.file(cell))
        assert np.array_equal(image[..., 0], picture.pixels)
        assert np.allclose(row["boxes"], [one.box for one in picture.chromosomes], atol=1e-3)
        counts = Counter(CHROMOSOMES[label] for label in row["chromosomes"])
        assert name_karyotype(counts).label == row["label"]


def test_synthetic_metaphases_are_drawn_once_and_again_where_a_picture_is_missing(tmp_path, monkeypatch, capsys):
    first = scan(DRAWN, None, tmp_path, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "imwrite", lambda *_: pytest.fail("drawn again"))
        assert facts_of(scan(DRAWN, None, tmp_path, progress=False)) == facts_of(first)
    first.file(1).unlink()
    assert scan(DRAWN, None, tmp_path, progress=False).frame["sha256"].equals(first.frame["sha256"])
    assert "incomplete: it is made anew" in capsys.readouterr().out
    assert scan(DRAWN.model_copy(update={"seed": 1}), None, tmp_path, progress=False).root != first.root


def test_the_real_metaphases_are_read_whole(tmp_path):
    listing = listed(real_data("metaphases"), tmp_path)
    assert (len(listing.frame), listing.frame["subject"].nunique()) == (899, 271)
    assert sum(map(len, listing.frame["boxes"])) == 41_338
    assert listing.frame["kind"].value_counts().to_dict() == {"normal": 839, "structural": 32, "numerical": 27}
    assert "boxes that reach a pixel beyond their picture, and are clipped: 16" in listing.notes

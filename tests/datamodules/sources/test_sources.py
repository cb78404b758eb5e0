"""What all sources have in common, on tiny data sets on disk."""

from functools import partial

import cv2
import pytest

from datamodules.io.decode import read_image
from datamodules.sources import cifar10
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.config.sources import SOURCES
from tests.helpers.archives import zip_folder
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.digits import write_batches, write_mnist
from tests.helpers.images import cell_image, write_class_folders, write_cnmc, write_image, write_table
from tests.helpers.manifests import facts_of, rows_of
from tests.helpers.sheets import write_karyograms
from tests.helpers.sources import list_images, source_config

ROWS = [
    {"path": "x/1.png", "label": "01", "who": "p1", "part": "train", "stain": "Wright"},
    {"path": "x/2.png", "label": "NA", "who": "", "part": "train", "stain": ""},
    {"path": "3.png", "label": "01", "who": "p2", "part": "test", "stain": "MGG"},
    {"path": "4.png", "label": "", "who": "p2", "part": "", "stain": "MGG"},
]
COLUMNS = {"subject_column": "who", "part_column": "part", "group_column": "stain"}
TABLE = {"positive_class": "NA", **COLUMNS}
NAMES = {"subject_regex": r"^s(?P<subject>\d+)_"}
FOLDERS = {"b": 2, "a10": 2, "a9": 1}
KARYOGRAMS = {"normal": 3, "abnormal": 2}
FOLDS = {"fold_0", "fold_1", "fold_2"}


def write_small_cnmc(root):
    return write_cnmc(root, subjects_per_fold=2, images=1)


def write_tree(root):
    for part, count in (("train", 3), ("test", 2)):
        for name in cifar10.CLASSES:
            for number in range(count):
                write_image(root / part / name / f"{number:04d}.jpg", cell_image(number))
    return root


PARTIAL = "partial: 12 of 10,661 training images"
# By source: settings, how images are written; then images, classes, subjects and given parts.
SETS = {
    "folder": (NAMES, partial(write_class_folders, counts=FOLDERS), 5, ("a9", "a10", "b"), 3, {None}),
    "table": (TABLE, partial(write_table, rows=ROWS), 4, ("01", "NA"), 2, {"train", "test", None}),
    "karyograms": ({}, partial(write_karyograms, counts=KARYOGRAMS), 5, ("normal", "abnormal"), 0, {None}),
    "chromosomes": ({}, partial(write_chromosomes, cases=2, cells=2), 184, CHROMOSOMES, 2, {None}),
    "cnmc": ({}, write_small_cnmc, 12, ("hem", "all"), 12, FOLDS),
    "hem_all": ({}, write_small_cnmc, 12, ("hem", "all"), 12, FOLDS),
    "cifar10": ({}, write_tree, 50, cifar10.CLASSES, 0, {None, "test"}),
    "mnist": ({}, write_mnist, 60, tuple("0123456789"), 0, {None, "test"}),
    "synthetic": ({"images": 14, "subjects": 4, "size": 48}, None, 14, ("hem", "all"), 4, {None}),
    "synthetic_chromosomes": ({"cells": 4, "cases": 3, "abnormal": 0.3}, None, 185, CHROMOSOMES, 3, {None}),
}
# How the notes begin.
NOTES = {
    "table": ["1 rows of labels.csv have no label"], "chromosomes": ["184 chromosomes of 4 cells and 2 subjects"],
    "cnmc": [PARTIAL], "hem_all": [PARTIAL],
    "cifar10": ["partial: 30 of 50,000 train", "partial: 20 of 10,000 test", "JPEG"],
    "mnist": ["partial: 40 of 60,000 train", "partial: 20 of 10,000 test"],
    "synthetic": ["synthetic: procedurally generated cells"],
    "synthetic_chromosomes": ["synthetic: procedurally generated chromosomes", "185 chromosomes of 4 cells and 3"],
}  # fmt: skip
ON_DISK = [name for name, facts in SETS.items() if facts[1]]
# Those whose images are written to the cache, and the keys that make another set of images.
SEEDED = ("synthetic", "synthetic_chromosomes")
WRITTEN = {"mnist": None, "cifar10": None, **dict.fromkeys(SEEDED, {"seed": 1})}


def list_place(name, place, cache, **keys):
    return list_images(source_config(name, **{**SETS[name][0], **keys}), place, cache, progress=False)


def test_every_source_is_in_the_table():
    assert set(SETS) == {*SOURCES, "synthetic_chromosomes"}


@pytest.mark.parametrize("name", SETS)
def test_images_classes_subjects_and_parts(tmp_path, name):
    _, write, images, classes, subjects, parts = SETS[name]
    place = str(write(tmp_path / "data")) if write else None
    listing = list_place(name, place, tmp_path / "cache")
    assert listing.source == name
    assert listing.classes == classes
    assert listing.positive_class == (classes[1] if len(classes) == 2 else None)
    assert listing.synthetic == (write is None)
    assert len(rows_of(listing)) == len({record.image_id for record in rows_of(listing)}) == images
    assert {record.label for record in rows_of(listing)} - {None} == set(classes)
    assert len({record.subject for record in rows_of(listing)} - {None}) == subjects
    assert {record.part for record in rows_of(listing)} == parts
    notes = [note for note in listing.notes if not note.startswith("beside ")]
    assert all(note.startswith(start) for note, start in zip(notes, NOTES.get(name, []), strict=True))
    assert read_image(listing.root / rows_of(listing)[-1].path).any()
    again = list_place(name, place, tmp_path / "other")
    assert (rows_of(again), again.notes) == (rows_of(listing), listing.notes)


@pytest.mark.parametrize("top", ["", "top/"])
@pytest.mark.parametrize("name", ON_DISK)
def test_a_zip_holds_the_same_images(tmp_path, name, top):
    root = SETS[name][1](tmp_path / "data")
    archive = zip_folder(root, tmp_path / "set.zip", top)
    expected = list_place(name, str(root), tmp_path / "cache")
    listing = list_place(name, str(archive), tmp_path / "cache")
    prefix = top if name in ("cnmc", "hem_all") else ""
    assert listing.frame["path"].str.removeprefix(prefix).tolist() == expected.frame["path"].tolist()
    assert all(listing.file(row).is_file() for row in range(len(listing.frame)))


def test_a_table_may_be_named_below_the_only_folder_of_a_zip(tmp_path):
    archive = zip_folder(write_table(tmp_path / "data", ROWS), tmp_path / "set.zip", "top/")
    listing = list_place("table", str(archive), tmp_path / "cache", file="top/labels.csv")
    assert all(listing.file(row).is_file() for row in range(len(ROWS)))


@pytest.mark.parametrize("name", ON_DISK)
def test_a_data_folder_that_is_missing_says_what_to_set(tmp_path, name):
    (tmp_path / "empty").mkdir()
    for place in (None, str(tmp_path / "none"), str(tmp_path / "empty")):
        with pytest.raises(UserError, match=r"data_dir=.*KARYOCYTE_DATA_DIR.*\+profile=demo"):
            list_place(name, place, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", WRITTEN)
def test_images_are_written_once_and_again_where_one_is_missing(tmp_path, name, monkeypatch, capsys):
    write = partial(write_batches, monkeypatch=monkeypatch) if name == "cifar10" else SETS[name][1]
    place = str(write(tmp_path / "data")) if write else None
    listed = partial(list_place, name, place, tmp_path / "cache")
    first = listed()
    (lost, *_) = written = sorted(first.root.rglob("*.png"))
    assert len(written) == len(rows_of(first))
    contents = [path.read_bytes() for path in written]
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "imwrite", lambda *_: pytest.fail("written again"))
        assert facts_of(listed()) == facts_of(first)
        assert facts_of(listed(on_broken="skip")) == facts_of(first)
    lost.unlink()
    assert facts_of(listed()) == facts_of(first)
    assert [path.read_bytes() for path in written] == contents
    assert "incomplete: it is made anew" in capsys.readouterr().out
    if WRITTEN[name]:
        assert listed(**WRITTEN[name]).root != first.root

"""Class folders, and karyograms in two of them."""

import os

import pytest

from karyocyte.common.errors import UserError
from tests.helpers.images import cell_image, scan_folder, write_class_folders, write_image
from tests.helpers.sheets import write_karyograms
from tests.helpers.sources import scan, source_config


def scan_karyograms(root, cache, **keys):
    return scan(source_config("karyograms", **keys), root, cache, progress=False)


def test_files_are_found_at_any_depth_and_litter_is_passed_over(tmp_path):
    root = write_class_folders(tmp_path / "data", {"b": 2, "a": 2, "c": 1})
    write_image(root / "a" / "deep" / "deeper" / "x.TIF", cell_image(50))
    for name in ("a/._s0_0.png", "a/.DS_Store", "a/notes.txt", "__MACOSX/a/y.png", ".cache/z.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"litter")
    write_image(root / "overview.png", cell_image(51))
    manifest = scan_folder(root, tmp_path / "cache")
    assert manifest.classes == ("a", "b", "c")
    assert manifest.frame["label"].value_counts().to_dict() == {"a": 3, "b": 2, "c": 1}
    assert "a/deep/deeper/x.TIF" in set(manifest.frame["path"])
    (note,) = manifest.notes
    assert note.startswith("beside 6 images: ")
    for kind in ("1 image that is not used", "1 .txt", "2 hidden folder", "2 hidden"):
        assert kind in note


@pytest.mark.parametrize("expression", [r"^s(?P<subject>\d+)_", r"^s(\d+)_", r"(s)(?P<subject>\d+)_"])
@pytest.mark.parametrize("scan_set", [scan_folder, scan_karyograms])
def test_the_subject_is_read_from_the_name(tmp_path, expression, scan_set):
    root = write_class_folders(tmp_path / "data", {"abnormal": 3, "normal": 3})
    frame = scan_set(root, tmp_path / "cache", subject_regex=expression).frame
    assert frame["subject"].tolist() == ["0", "0", "1", "100", "100", "101"]
    assert scan_set(root, tmp_path / "cache").frame["subject"].isna().all()


def test_classes_pick_and_order(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1, "c": 1, "d": 1})
    manifest = scan_folder(root, tmp_path / "cache", classes=("c", "a", "b"))
    assert manifest.classes == ("c", "a", "b")
    assert set(manifest.frame["label"]) == {"a", "b", "c"}
    assert scan_folder(root, tmp_path / "cache", classes=("c", "a"), positive_class="c").classes == ("a", "c")
    (root / "e").symlink_to(root / "d")
    with pytest.raises(UserError, match="e is a link"):
        scan_folder(root, tmp_path / "cache")


def test_abnormal_karyograms_are_positive_unless_said_otherwise(tmp_path):
    root = write_karyograms(tmp_path / "data", {"normal": 3, "abnormal": 2})
    for positive in ("abnormal", None):
        assert scan_karyograms(root, tmp_path / "cache", positive_class=positive).positive_class == "abnormal"
    other = scan_karyograms(root, tmp_path / "cache", positive_class="normal")
    assert other.classes == ("abnormal", "normal")


@pytest.mark.parametrize(
    ("counts", "empty", "message"),
    [
        ({"normal": 1}, (), "normal and abnormal; the folders in .*: normal$"),
        ({"normal": 1, "Abnormal": 1}, (), "the folders in .*: Abnormal, normal$"),
        ({"normal": 1, "abnormal": 1, "mosaic": 1, "odd": 1}, (), "the folders in .*: abnormal, mosaic, normal, odd$"),
        ({"normal": 1}, ("abnormal",), "no image in .*abnormal: "),
        ({}, ("normal", "abnormal"), "no image in .*abnormal, .*normal: "),
    ],
)
def test_other_layouts_of_karyograms_are_refused(tmp_path, counts, empty, message):
    root = write_karyograms(tmp_path / "data", counts)
    for name in empty:
        (root / name).mkdir(parents=True)
    with pytest.raises(UserError, match=message):
        scan_karyograms(root, tmp_path / "cache")


def test_a_folder_without_class_folders_and_a_name_that_is_not_utf8_are_refused(tmp_path):
    write_image(tmp_path / "flat" / "a.png", cell_image(1))
    with pytest.raises(UserError, match="no class folders"):
        scan_folder(tmp_path / "flat", tmp_path / "cache")
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
    (root / "a" / "s0_0.png").rename(root / "a" / os.fsdecode(b"\xff.png"))
    with pytest.raises(UserError, match="not UTF-8"):
        scan_folder(root, tmp_path / "cache")


PARTS = [("train", "val", "test"), ("Train", "TestA", "TestB"), ("trainset", "testset"), ("seg_train", "seg_test")]


@pytest.mark.parametrize("names", PARTS)
def test_folders_that_are_named_as_parts_are_parts_and_no_classes(tmp_path, names):
    for name in names:
        inside = name if name.startswith("seg_") else ""  # once more a folder of its name
        write_class_folders(tmp_path / "data" / name / inside, {"a": 2, "b": 1})
    manifest = scan_folder(tmp_path / "data", tmp_path / "cache", positive_class="a")
    assert manifest.classes == ("b", "a")
    assert manifest.frame.groupby(["part", "label"]).size().tolist() == [2, 1] * len(names)
    assert set(manifest.frame["part"]) == set(names)


def test_what_is_half_of_parts_or_folds_or_one_level_too_high_is_no_class(tmp_path):
    for name in ("half/train", "half/val", "flat/train", "lone/set", "folds/fold_1"):
        write_class_folders(tmp_path / name, {"a": 1, "b": 1})
    write_class_folders(tmp_path / "half", {"other": 1})
    write_class_folders(tmp_path / "flat", {"test": 1})
    write_class_folders(tmp_path / "folds/fold_2", {"b": 1})
    whole = r"other is not: move it away, or 'data.classes=\[other,train,val\]'"
    for name, message in {
        "half": whole,
        "flat": "test has no class folders.*data_dir=.*/flat/train",
        "lone": "data_dir=.*/lone/set",
        "folds": "data_dir=.*/folds/fold_1",
    }.items():
        with pytest.raises(UserError, match=message):
            scan_folder(tmp_path / name, tmp_path / "cache", positive_class="a")


def test_masks_within_the_classes_are_said(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
    write_image(root / "a" / "Masks" / "0.png", cell_image(9))
    write_image(root / "b" / "0_mask.png", cell_image(8))
    (masks,) = scan_folder(root, tmp_path / "cache", positive_class="a").notes
    assert masks.startswith("2 images are named as masks are")


def test_folders_that_hold_the_classes_or_masks_are_refused_with_a_key_that_takes_them(tmp_path):
    for site in ("site1", "site2"):
        write_class_folders(tmp_path / "data" / site, {"a": 1, "b": 1})
    with pytest.raises(UserError, match=r"share the names of their folders \(a, b\).*data.classes=\[site1,site2\]"):
        scan_folder(tmp_path / "data", tmp_path / "cache")
    write_class_folders(tmp_path / "data" / "site3", {"b": 1})  # a rare class may be absent
    with pytest.raises(UserError, match=r"share the names of their folders \(a, b\)"):
        scan_folder(tmp_path / "data", tmp_path / "cache")
    classes = {"classes": ("site1", "site2"), "positive_class": "site1"}
    assert len(scan_folder(tmp_path / "data", tmp_path / "cache", **classes).frame) == 4
    write_class_folders(tmp_path / "other", {"images": 1, "masks": 1})
    with pytest.raises(UserError, match=r"masks is the name of a folder of masks.*data.classes=\[images,masks\]"):
        scan_folder(tmp_path / "other", tmp_path / "cache")

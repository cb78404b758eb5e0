"""Class folders."""

import pytest

from common.errors import UserError
from datamodules.sources import scan
from datamodules.sources.folder import FolderConfig
from tests.helpers.images import cell_image, scan_folder, write_class_folders, write_image


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
    assert manifest.notes == ("1 images beside the class folders of data left out",)


def test_the_subject_is_read_from_the_name(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 3, "b": 3})
    for expression in (r"^s(?P<subject>\d+)_", r"^s(\d+)_"):
        frame = scan_folder(root, tmp_path / "cache", subject_regex=expression).frame
        assert frame["subject"].tolist() == ["0", "0", "1", "100", "100", "101"]


@pytest.mark.parametrize(
    ("expression", "message"), [(r"^p(\d+)", "no subject found"), ("s", "no group"), ("(", "no regular expression")]
)
def test_a_wrong_expression_is_refused(tmp_path, expression, message):
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
    with pytest.raises(UserError, match=message):
        scan_folder(root, tmp_path / "cache", subject_regex=expression)


def test_classes_pick_and_order(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1, "c": 1, "d": 1})
    manifest = scan_folder(root, tmp_path / "cache", classes=("c", "a", "b"))
    assert manifest.classes == ("c", "a", "b")
    assert set(manifest.frame["label"]) == {"a", "b", "c"}
    assert scan_folder(root, tmp_path / "cache", classes=("c", "a"), positive_class="c").classes == ("a", "c")
    with pytest.raises(UserError, match="no folder e in .*; there are: a, b, c, d"):
        scan_folder(root, tmp_path / "cache", classes=("a", "e"))


def test_a_class_without_images_is_refused(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
    (root / "c").mkdir()
    with pytest.raises(UserError, match="class c has no image"):
        scan_folder(root, tmp_path / "cache")


def test_a_folder_without_class_folders_is_refused(tmp_path):
    write_image(tmp_path / "data" / "a.png", cell_image(1))
    with pytest.raises(UserError, match="no class folders"):
        scan(FolderConfig(source="folder"), str(tmp_path / "data"), tmp_path / "cache")

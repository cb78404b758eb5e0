"""Whole karyograms in two folders."""

import pytest

from common.errors import UserError
from datamodules.sources import scan
from datamodules.sources.karyograms import KaryogramsConfig
from tests.helpers.images import write_image
from tests.helpers.real_data import real_data
from tests.helpers.sheets import toy_sheet, write_karyograms


def listed(root, cache, **keys):
    return scan(KaryogramsConfig(source="karyograms", **keys), str(root), cache, progress=False)


def test_the_two_folders_are_the_classes_and_abnormal_is_positive(tmp_path):
    root = write_karyograms(tmp_path / "data", {"normal": 3, "abnormal": 2})
    manifest = listed(root, tmp_path / "cache")
    assert manifest.source == "karyograms"
    assert manifest.classes == ("normal", "abnormal")
    assert manifest.positive_class == "abnormal"
    assert manifest.frame["label"].value_counts().to_dict() == {"normal": 3, "abnormal": 2}
    assert manifest.places is None
    assert listed(root, tmp_path / "cache", positive_class="normal").classes == ("abnormal", "normal")


def test_the_subject_is_read_from_the_name(tmp_path):
    root = write_karyograms(tmp_path / "data", {"normal": 4, "abnormal": 2}, images=2)
    frame = listed(root, tmp_path / "cache", subject_regex=r"^s(?P<subject>\d+)_").frame
    assert frame["subject"].tolist() == ["100", "100", "0", "0", "1", "1"]
    assert listed(root, tmp_path / "cache").frame["subject"].isna().all()


@pytest.mark.parametrize(
    ("counts", "more", "message"),
    [
        ({"normal": 1}, (), "no folder abnormal .there are none.: karyograms lie in the folders normal and abnormal"),
        ({"normal": 1, "Abnormal": 1}, (), "no folder abnormal .there are Abnormal."),
        ({"normal": 1, "abnormal": 1, "mosaic": 1, "odd": 1}, (), "other folders too: mosaic, odd; .*move the others"),
        ({"normal": 1}, ("abnormal",), "no image in .*abnormal: add some"),
        ({}, ("normal", "abnormal"), "no image in .*normal and .*abnormal: add some"),
    ],
)
def test_other_layouts_are_refused(tmp_path, counts, more, message):
    root = write_karyograms(tmp_path / "data", counts)
    for name in more:
        (root / name).mkdir(parents=True)
    with pytest.raises(UserError, match=message):
        listed(root, tmp_path / "cache")


def test_a_missing_and_an_empty_data_folder_are_named(tmp_path):
    with pytest.raises(UserError, match="is missing"):
        listed(tmp_path / "nowhere", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="is empty"):
        listed(tmp_path / "data", tmp_path / "cache")


def test_a_picture_beside_the_folders_is_left_out_and_said(tmp_path):
    root = write_karyograms(tmp_path / "data", {"normal": 1, "abnormal": 1})
    write_image(root / "legend.png", toy_sheet()[0])
    assert listed(root, tmp_path / "cache").notes == ("1 images beside the class folders of data left out",)


def test_the_real_ones_are_found(tmp_path):
    manifest = listed(real_data("karyograms"), tmp_path / "cache")
    assert manifest.frame["label"].value_counts().to_dict() == {"abnormal": 9, "normal": 7}

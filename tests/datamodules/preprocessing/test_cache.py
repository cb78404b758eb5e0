"""One cache per content and settings, whole or absent."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from datamodules.io.decode import read_image
from datamodules.preprocessing import cache
from datamodules.preprocessing.cache import cache_folder, prepared_images
from datamodules.preprocessing.pipeline import prepare_image
from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig
from tests.helpers.images import cell_image, scan_folder, write_class_folders, write_image

CONFIG = PrepareConfig(size=24)


@pytest.fixture
def manifest(tmp_path):
    return scan_folder(write_class_folders(tmp_path / "data", {"a": 5, "b": 4}), tmp_path / "cache")


@pytest.fixture
def prepared(monkeypatch):
    """Count the images that are really prepared."""
    calls = []
    monkeypatch.setattr(cache, "prepare_image", lambda image, *how: (calls.append(1), prepare_image(image, *how))[1])
    return calls


def test_rows_are_the_prepared_images_in_the_manifests_order_and_a_table_lists_them(manifest, tmp_path):
    write_image(manifest.root / "a" / "gray.png", cell_image(60)[..., 0])
    manifest = scan_folder(manifest.root, tmp_path / "cache")
    images = prepared_images(manifest, CONFIG, tmp_path / "cache")
    assert images.shape == (10, 24, 24, 3)
    for row in range(10):
        assert np.array_equal(images[row], prepare_image(read_image(manifest.file(row)), CONFIG))
    with pytest.raises(ValueError, match="read-only"):
        images[0][:] = 0
    table = pd.read_csv(cache_folder(manifest, CONFIG, tmp_path / "cache") / "images.csv")
    assert table["image_id"].tolist() == manifest.frame["image_id"].tolist()
    assert table.set_index("file").loc["gray.png"].tolist()[:5] == ["a/gray.png", "a", 40, 40, 1]
    assert table["channels"].tolist().count(3) == 9


def test_a_second_call_prepares_nothing(manifest, tmp_path, prepared):
    first = np.array(prepared_images(manifest, CONFIG, tmp_path / "cache"))
    assert len(prepared) == 9
    assert np.array_equal(prepared_images(manifest, CONFIG, tmp_path / "cache"), first)
    moved = manifest.root.rename(manifest.root.with_name("elsewhere"))
    assert np.array_equal(prepared_images(replace(manifest, root=moved), CONFIG, tmp_path / "cache"), first)
    assert len(prepared) == 9


@pytest.mark.parametrize("change", [{"size": 25}, {"clahe": True}, {"crop": False}, {"crop_threshold": 1}, {}])
def test_a_changed_setting_or_file_has_a_cache_of_its_own(manifest, tmp_path, prepared, change):
    prepared_images(manifest, CONFIG, tmp_path / "cache")
    config = CONFIG.model_copy(update=change)
    if not change:
        write_image(manifest.file(3), cell_image(500))
        manifest = scan_folder(manifest.root, tmp_path / "cache")
    images = prepared_images(manifest, config, tmp_path / "cache")
    assert len(prepared) == 18
    assert np.array_equal(images[3], prepare_image(read_image(manifest.file(3)), config))


def test_a_changed_version_or_order_has_a_cache_of_its_own(manifest, tmp_path, monkeypatch):
    folder = cache_folder(manifest, CONFIG, tmp_path)
    turned = replace(manifest, frame=manifest.frame.iloc[::-1].reset_index(drop=True))
    assert cache_folder(turned, CONFIG, tmp_path) != folder
    monkeypatch.setattr(cache, "PREPARE_VERSION", 99)
    assert cache_folder(manifest, CONFIG, tmp_path) != folder


@pytest.mark.parametrize(("act", "message"), [("remove", "cannot be read any more"), ("change", "changed while")])
def test_a_file_that_is_not_as_it_was_scanned_stops_and_leaves_nothing(manifest, tmp_path, act, message):
    manifest.file(4).unlink()
    if act == "change":
        write_image(manifest.file(4), cell_image(501))
    with pytest.raises(UserError, match=message):
        prepared_images(manifest, CONFIG, tmp_path / "cache")
    assert not any(entry.is_dir() for entry in (tmp_path / "cache" / "prepared").iterdir())


def test_a_full_disk_is_reported_before_anything_is_written(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="set cache_dir, or a smaller prepare.size"):
        prepared_images(manifest, CONFIG, tmp_path / "cache")
    with pytest.raises(UserError, match="or a smaller prepare.augment_at"):
        prepared_images(manifest, CONFIG.model_copy(update={"augment_at": 48}), tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "change"),
    {
        "pixel": ("images.npy", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        "magic": ("images.npy", lambda content: b"x" + content[1:]),
        "kind": ("images.npy", lambda content: content.replace(b"u1", b"i1", 1)),
        "cut": ("images.npy", lambda content: content[:5000]),
        "empty": ("images.npy", lambda content: b""),
        "table cut": ("images.csv", lambda content: content[:100]),
        "table empty": ("images.csv", lambda content: b""),
    }.values(),
)
def test_damaged_images_are_prepared_anew_with_a_warning(manifest, tmp_path, capsys, name, change):
    right = np.array(prepared_images(manifest, CONFIG, tmp_path / "cache"))
    file = cache_folder(manifest, CONFIG, tmp_path / "cache") / name
    file.write_bytes(change(file.read_bytes()))
    assert np.array_equal(np.array(prepared_images(manifest, CONFIG, tmp_path / "cache")), right)
    assert "is damaged" in capsys.readouterr().out
    assert np.array_equal(np.array(prepared_images(manifest, CONFIG, tmp_path / "cache")), right)
    assert capsys.readouterr().out == ""


def test_a_damaged_digest_is_an_error(manifest, tmp_path):
    prepared_images(manifest, CONFIG, tmp_path / "cache")
    file = cache_folder(manifest, CONFIG, tmp_path / "cache") / "images.csv"
    file.write_bytes(file.read_bytes()[:-2] + b"\n")
    with pytest.raises(UserError, match="is damaged: delete it"):
        np.array(prepared_images(manifest, CONFIG, tmp_path / "cache"))


def test_the_folder_of_other_images_is_not_used(manifest, tmp_path):
    folders = []
    for config in (CONFIG.model_copy(update={"clahe": True}), CONFIG):
        prepared_images(manifest, config, tmp_path / "cache")
        folders.append(cache_folder(manifest, config, tmp_path / "cache"))
    shutil.copytree(*folders, dirs_exist_ok=True)
    with pytest.raises(UserError, match="is damaged"):
        np.array(prepared_images(manifest, CONFIG, tmp_path / "cache"))

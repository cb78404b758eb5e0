"""Files are whole or absent."""

import errno
import json

import pandas as pd
import pytest

from karyocyte.common.files import MARK, atomic_path, read_whole_json, safe_stems, write_csv, write_json, write_text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "file.csv"


def write_half(path, *_, **__):
    path.write_text("half")
    raise OSError("disk full")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    write_text(path, "old")
    with pytest.raises(OSError, match="disk full"), atomic_path(path) as temporary:
        write_half(temporary)
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda self, *arguments, **options: write_half(*arguments))
    with pytest.raises(OSError, match="disk full"):
        write_csv(path, pd.DataFrame({"a": [2]}))
    assert path.read_text() == "old"
    assert {each.name for each in path.parent.iterdir()} == {path.name, MARK}


def test_the_error_of_a_full_disk_names_the_file(path):
    with pytest.raises(OSError, match=str(path)), atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="other"), atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device", "other")


def test_json_refuses_nan_and_writes_nothing(path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"auc": float("nan")})
    assert not path.exists()
    write_json(path, {"auc": None})
    assert json.loads(path.read_text()) == {"auc": None}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "[1]", "1", None])
def test_json_that_is_not_whole_or_not_there_is_empty(path, text):
    if text is not None:
        write_text(path, text)
    assert read_whole_json(path) == {}
    write_json(path, {"a": 1})
    assert read_whole_json(path) == {"a": 1}


def test_stems_stay_in_their_folder_and_apart():
    assert safe_stems(["../a b/c", "A_B", "a_b", ".. a b c"]) == [".._a_b_c", "A_B", "a_b~2", ".._a_b_c~2"]


def test_stems_of_long_names_keep_the_end():
    stems = safe_stems([200 * "é" + "7", 200 * "é" + "8", 300 * "a", 301 * "a"])
    assert stems[0].endswith("é7")
    assert max(len(stem.encode()) for stem in stems) < 210
    assert len(set(stems)) == 4

"""Folders that are whole or absent."""

import errno

import pytest

from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import files_explained
from karyocyte.common.errors import UserError
from tests.helpers.images import cell_image, write_image


def test_a_full_disk_is_named_with_what_helps(tmp_path):
    message = rf"{tmp_path / 'out'}: No space left on device: free some space, or write elsewhere"
    with pytest.raises(UserError, match=message), files_explained(), new_whole_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "")


def test_what_another_process_wrote_in_the_meantime_stays(tmp_path):
    with pytest.raises(UserError, match="out"), new_whole_folder(tmp_path / "out"):
        write_image(tmp_path / "out" / "theirs.png", cell_image(0))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs.png"]

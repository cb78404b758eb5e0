"""The parts of an unfinished table: kept, found again, refused, and what is left after each step."""

import pytest

from common.errors import UserError
from common.runs.lifecycle import locked
from datamodules.inference.image_files import ImageFile
from workflows.prediction.parts import has_written, open_parts

IDENTITY = {"revision": "a", "rules": ["votes"]}


@pytest.fixture
def files(tmp_path):
    """Three files of an image folder."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_text("x")
    return [ImageFile(path, path.name, ()) for path in paths]


def test_a_part_is_found_again_until_a_file_changes(tmp_path, files):
    with open_parts(tmp_path / "p.parts", IDENTITY) as parts:
        path = parts.path(0, files)
        path.write_text("part")
    with open_parts(tmp_path / "p.parts", IDENTITY) as parts:
        assert parts.present() == {path}
        assert parts.path(0, files) == path
        assert parts.path(1, files) != path
        files[1].path.write_text("changed")
        assert parts.path(0, files) != path
        files[1].path.unlink()
        assert parts.path(0, files[:2]) != path


def test_parts_of_another_request_are_refused(tmp_path, files):
    folder = tmp_path / "p.parts"
    with open_parts(folder, IDENTITY) as parts:
        parts.path(0, files).write_text("part")
    with pytest.raises(UserError, match="rules differ"), open_parts(folder, IDENTITY | {"rules": ["release"]}):
        pass
    assert len(list(folder.glob("*.part.parquet"))) == 1


def test_nothing_is_left_without_a_part(tmp_path):
    with pytest.raises(ZeroDivisionError), open_parts(tmp_path / "p.parts", IDENTITY):
        raise ZeroDivisionError
    assert not (tmp_path / "p.parts").exists()


def test_a_second_process_is_refused(tmp_path):
    folder = tmp_path / "p.parts"
    with locked(folder), pytest.raises(UserError, match="another process writes"), open_parts(folder, IDENTITY):
        pass


def test_outputs_that_are_written_are_moved_though_parts_are_gone(tmp_path, files):
    outputs = [tmp_path / "p.parquet", tmp_path / "p.csv"]
    folder = tmp_path / "p.parts"
    with open_parts(folder, IDENTITY) as parts:
        parts.path(0, files).write_text("part")
        parts.write_outputs(outputs, lambda paths: [path.write_text(path.name) for path in paths])
        assert not outputs[0].exists()
        (folder / "p.parquet").rename(outputs[0])  # here it was killed
    assert has_written(folder)
    with open_parts(folder, IDENTITY) as parts:
        for path in parts.present():
            path.unlink()
        assert parts.has_outputs(outputs)
        parts.move_outputs(outputs)
        parts.remove()
    assert [path.read_text() for path in outputs] == ["p.parquet", "p.csv"]
    assert not folder.exists()

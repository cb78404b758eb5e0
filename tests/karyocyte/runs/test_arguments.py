"""Errors of arguments name the path."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.arguments import existing_predictions, new_folder, number_list
from karyocyte.runs.run import Run


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "seed=0")
    run.write_status("finished")
    (run.folder / "predictions.parquet").touch()
    return run


def test_predictions_are_named_by_folder_or_file(run):
    file = run.folder / "predictions.parquet"
    assert existing_predictions([run.folder]) == existing_predictions([file]) == [file]


def test_output_folders_must_be_new(run, tmp_path):
    new_folder(tmp_path / "new")
    for taken in (run.folder, run.folder / "status.json"):
        with pytest.raises(UserError, match=f"--output {taken}"):
            new_folder(taken)


def test_a_list_of_numbers_has_different_numbers_alone():
    assert number_list("0,2,10", "--seeds") == (0, 2, 10)
    assert number_list(None, "--seeds") is None
    for text in ("", "0,", "a", "-1", "0,0", "0 1"):
        with pytest.raises(UserError, match="--seeds"):
            number_list(text, "--seeds")

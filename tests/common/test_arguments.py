"""Arguments are checked without large libraries, and errors name the path."""

import subprocess
import sys
from pathlib import Path

import pytest

from common import arguments
from common.errors import UserError
from common.runs.run import Run


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "seed=0")
    run.write_status("finished")
    (run.folder / "predictions.parquet").touch()
    return run


def test_runs_are_named_by_folder_or_file(run):
    assert arguments.existing_runs([run.folder]) == [run]
    assert arguments.finished_runs([run.folder / "predictions.parquet"]) == [run]
    assert arguments.existing_predictions([run.folder]) == [run.folder / "predictions.parquet"]


@pytest.mark.parametrize("check", [arguments.existing_runs, arguments.finished_runs, arguments.existing_predictions])
def test_a_missing_or_repeated_run_is_named(run, tmp_path, check):
    with pytest.raises(UserError, match="missing"):
        check([run.folder, tmp_path / "missing"])
    with pytest.raises(UserError, match="twice"):
        check([run.folder, run.folder / "predictions.parquet"])


def test_an_unfinished_run_is_named(run):
    run.write_status("failed")
    with pytest.raises(UserError, match="failed"):
        arguments.finished_runs([run.folder])


@pytest.mark.parametrize("paths", [[], [Path("missing.png")]])
def test_images_must_exist(paths):
    with pytest.raises(UserError, match="images"):
        arguments.existing_images(paths)


def test_outputs_must_be_new(run, tmp_path):
    arguments.new_file(tmp_path / "new.csv", "--csv", ".csv")
    arguments.new_folder(tmp_path / "new")
    with pytest.raises(UserError, match="--csv .*new.png"):
        arguments.new_file(tmp_path / "new.png", "--csv", ".csv")
    with pytest.raises(UserError, match="--output"):
        arguments.new_file(run.folder / "predictions.parquet", "--output", ".parquet")
    with pytest.raises(UserError, match="--output"):
        arguments.new_folder(run.folder)


def test_checks_import_no_large_library():
    code = "import sys, common.arguments; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "numpy", "pyarrow", "hydra", "matplotlib"} & set(modules)

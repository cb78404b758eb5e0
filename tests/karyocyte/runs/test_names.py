import os
from pathlib import Path

import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.names import resolve_run, run_path
from karyocyte.runs.run import Run


def make_run(folder, state="finished", age=0):
    Run(folder).write_status(state)
    os.utime(folder / "status.json", (1_000_000 - age, 1_000_000 - age))
    return folder


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """A working directory whose outputs have two experiments; the second was last trained."""
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    make_run(outputs / "cells/subject-fold0-00000000/seed=0", age=30)
    make_run(outputs / "folds/subject-fold0-00000000/seed=0", age=20)
    make_run(outputs / "folds/subject-fold1-00000000/seed=0", age=10)
    make_run(outputs / "folds/subject-fold2-00000000/seed=0", "interrupted")
    return outputs


def resolved(word):
    return resolve_run(Path(word)).as_posix()


@pytest.mark.parametrize(
    ("word", "folder"),
    [
        ("cells", "outputs/cells/subject-fold0-00000000/seed=0"),
        ("folds/subject-fold0-00000000", "outputs/folds/subject-fold0-00000000/seed=0"),
        ("latest", "outputs/folds/subject-fold1-00000000/seed=0"),
        ("cells/latest", "outputs/cells/subject-fold0-00000000/seed=0"),
    ],
)
def test_names_of_runs(outputs, word, folder):
    assert resolved(word) == folder


def test_the_newest_run_of_another_output_dir(outputs):
    elsewhere = make_run(outputs.parent / "mine" / "runs" / "folds" / "a" / "seed=0")
    for word in ("mine/latest", "mine/runs/folds/latest", f"{outputs.parent}/mine/runs/latest"):
        assert Path(resolved(word)).samefile(elsewhere)
    (outputs.parent / "folds").mkdir()  # images: an experiment of outputs comes first
    assert resolved("folds/latest") == "outputs/folds/subject-fold1-00000000/seed=0"
    (outputs.parent / "empty").mkdir()
    with pytest.raises(UserError, match="no run below empty is finished: .*<output_dir>/latest"):
        resolved("empty/latest")


@pytest.mark.parametrize(
    "word", ["outputs/folds/subject-fold2-00000000/seed=0", "images", "strengths=[0.1]", "/no/where", "outputs/page"]
)
def test_other_words_stay(outputs, word):
    for folder in ("images", "outputs/page"):
        (outputs.parent / folder).mkdir()
    assert resolved(word) == word


def test_parser_says_what_a_name_means(outputs, capsys):
    assert run_path("latest").as_posix() == "outputs/folds/subject-fold1-00000000/seed=0"
    assert capsys.readouterr().err == "latest: outputs/folds/subject-fold1-00000000/seed=0\n"
    with pytest.raises(SystemExit) as end:
        run_path("folds")
    assert end.value.code == 1
    assert "error: folds has 2 runs" in capsys.readouterr().err

"""What is wrong with a command line is one line that names it, before anything is computed or written."""

from importlib import import_module

import pytest

from karyocyte.common.predictions import write_predictions
from tests.helpers.archives import write_zip
from tests.helpers.predictions import make_run
from tests.helpers.terminal import error_of, run_app
from tests.karyocyte.commands.test_review import approve
from tests.karyocyte.workflows.review.bundles import MALE, write_bundle
from tests.karyocyte.workflows.sweeps.sweep_files import grid, write_jobs

# What is typed, and words of the error. ``{here}`` is the folder that it is typed in.
ERRORS = [
    ("ensemble average good0 --output new", "needs at least two runs"),
    ("ensemble average good0 {here}/good0/predictions.parquet --output new", "is named twice"),
    ("ensemble average good0 good1 --output new", "scripts/evaluate.py pools them"),
    ("ensemble average good0 nowhere --output new", "nowhere does not exist"),
    ("error_analysis good0 good1 --output new", "name the runs of at least two"),
    ("error_analysis good0 poor1 --output new", "good and poor: the images differ"),
    ("evaluate nowhere", "no predictions at"),
    ("evaluate good0 good0", "good0 is named twice: name each run once"),
    ("evaluate good0 --output good1", "good1 exists already"),
    ("evaluate good0 --csv other.csv", "other.csv has other columns than label"),
    ("evaluate good0 --csv .", ". is not a readable table: name another file with --csv"),
    ("evaluate good0 resamplse=3", "unknown key resamplse: did you mean `resamples`"),
    ("report nowhere", "nowhere"),
    ("report good0 good0", "good0"),
    ("compare --paper 007", "no claims of paper 007: choose from 001"),
    ("compare outputs/run", "outputs/run does not exist"),
    ("review good0", "scripts/karyotype.py"),
    ("review cells --export-labels new.csv", "no decisions at"),
    ("review cells --export-boxes new", "no decisions"),
    ("review cells --export-labels new.csv --decisions other.jsonl", "no cell of"),
    ("review cells --reader reader1 --blind --decisions other.jsonl", "reader1 has reviewed without --blind"),
    ("sweep_status --output-dir . cnmc_gird", "nor a sweep; the sweeps below"),
    ("sweep_status --output-dir nowhere", "no sweep below nowhere/sweeps"),
    ("prepare_data data=mnst data_dir=none", "there is no data=mnst: did you mean `data=mnist`?"),
    ("prepare_data data=mnist data_dir=none data.downlod=true", "unknown key data.downlod"),
    ("prepare_data data=folder data_dir=none", "none does not exist"),
    ("prepare_data data=folder data_dir=evil.zip", "member '../../evil.txt' points outside the folder"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder of runs of two experiments, cells to be reviewed, a sweep and other files."""
    folder = tmp_path_factory.mktemp("home")
    for fold in range(2):
        for name in ("good", "poor"):
            run = make_run(fold, images=20, subjects=10, about={"name": name})
            write_predictions(folder / f"{name}{fold}" / "predictions.parquet", run)
    write_bundle(folder / "cells")
    approve(folder / "other.jsonl", "reader1", MALE, cell="c7")
    write_jobs(folder, grid(1))
    (folder / "other.csv").write_text("a,b\n")
    write_zip(folder / "evil.zip", ("../../evil.txt", b"evil"))
    return folder


@pytest.mark.parametrize(("typed", "words"), ERRORS)
def test_an_error_is_one_line_and_writes_nothing(home, monkeypatch, typed, words):
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    name, *arguments = typed.format(here=home).split()
    result = run_app(import_module(f"karyocyte.commands.{name}").app, *arguments, code=1)
    assert words in error_of(result)
    assert sorted(home.rglob("*")) == before

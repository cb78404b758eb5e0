"""What is wrong with a command line is one line that names it, before anything is computed or written."""

import pytest

from karyocyte.common.paths import ROOT
from karyocyte.runs.predictions import write_predictions
from karyocyte.runs.run import Run
from packages.cytogenetics.tests.commands.test_review import approve
from packages.cytogenetics.tests.review.bundles import MALE, write_cells
from tests.helpers.images import cell_image, write_image
from tests.helpers.portable import TINY
from tests.helpers.predictions import make_run
from tests.helpers.terminal import app_of, error_of, run_app
from tests.helpers.training import small_config, write_untrained_run
from tests.karyocyte.workflows.sweeps.sweep_files import grid, write_jobs

# What is typed, and words of the error. ``{here}`` is the folder that it is typed in.
ERRORS = [
    ("ensemble average good0 --output new", "needs at least two runs"),
    ("ensemble average good0 {here}/good0/predictions.parquet --output new", "is named twice"),
    ("ensemble average good0 good1 --output new", "scripts/evaluate.py pools them"),
    ("ensemble average good0 good1 evaluation.triage.vote_share=0.9 --output new", "vote_share=0.9"),
    ("evaluate good0 triage.vote_share=0.9", "train with `inference.mc_passes=100`, or leave it out"),
    ("evaluate nowhere", "no predictions at"),
    ("evaluate good0 --csv x.csv", "--csv is for grades (--paper): --output NEW writes metrics.csv"),
    ("explain layers net0 --out x.txt", "--out x.txt: a PNG file is written: end its name in .png"),
    ("export portable --output new", "is not a run"),
    ("predict images --output p.csv", "images is not a run"),
    ("predict net0 --output p.csv", "no images are named"),
    ("predict net0 images rules=votes --output p.csv", "rules=votes"),
    ("predict net0 empty --output p.csv", "no image in empty"),
    ("predict net0 text --output p.csv", "(1 other file, not an image: 1 .txt)"),
    ("predict images net0 --output p.csv", "name the runs first"),
    ("predict net0 unfinished images --output p.csv", "unfinished is not finished"),
    ("predict net0 sheets images --output p.csv", "sheets normal, abnormal"),
    ("predict net0 images --output taken.csv", "taken.parquet exists already"),
    ("predict portable net0 images --output p.csv", "it predicts alone"),
    ("report nowhere", "no predictions at nowhere"),
    ("report good0 good0", "good0 is named twice"),
    ("evaluate --paper 007", "no claims of paper 007: choose from 001"),
    ("evaluate outputs/run --paper all", "outputs/run does not exist"),
    ("evaluate good0 --paper 004 --part validation", "part beside --paper"),
    ("review good0", "scripts/karyotype.py"),
    ("review cells --export-labels new.csv", "no decisions at"),
    ("review cells --export-boxes new", "no decisions"),
    ("review cells --export-labels new.csv --decisions other.jsonl", "no cell of"),
    ("sweep_status --output-dir . cnmc_gird", "nor a sweep; the sweeps below"),
    ("sweep_status unfinished", "unfinished is a run, no sweep: add --csv collected.csv"),
    ("sweep_status cnmc_grid other", "add --csv collected.csv"),
    ("sweep_status --output-dir nowhere", "no sweep below nowhere/sweeps"),
    ("prepare_data data=mnst data_dir=none", "there is no data=mnst: did you mean mnist?"),
    ("prepare_data data=folder data_dir=none", "none does not exist"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder of runs, untrained networks, images, cells to be reviewed, a sweep and other files."""
    folder = tmp_path_factory.mktemp("home")
    for fold in range(2):
        run = make_run(fold, images=20, subjects=10, about={"name": "good"})
        write_predictions(folder / f"good{fold}" / "predictions.parquet", run)
    for name, classes in (("net0", ("hem", "all")), ("sheets", ("normal", "abnormal"))):
        write_untrained_run(folder / name, small_config(folder / "gone", "model=scratch_cnn", *TINY), classes)
        write_predictions(folder / name / "predictions.parquet", make_run(classes=classes))
        Run(folder / name).record()
    (folder / "unfinished").mkdir()
    Run(folder / "unfinished").write_status("running")
    for name in ("blast", "healthy"):
        write_image(folder / "images" / name / "a.png", cell_image(0))
    (folder / "empty").mkdir()
    (folder / "text").mkdir()
    for name in ("text/a.txt", "taken.parquet"):
        (folder / name).touch()
    (folder / "portable").symlink_to(ROOT / "models" / "chromosomes")
    write_cells(folder / "cells")
    approve(folder / "other.jsonl", "reader1", MALE, cell="c7", model="m")
    write_jobs(folder, grid(1))
    return folder


@pytest.mark.parametrize(("typed", "words"), ERRORS)
def test_an_error_is_one_line_and_writes_nothing(home, monkeypatch, typed, words):
    monkeypatch.chdir(home)
    before = sorted(home.rglob("*"))
    name, *arguments = typed.format(here=home).split()
    result = run_app(app_of(name), *arguments, code=1)
    assert words in error_of(result)
    assert sorted(home.rglob("*")) == before

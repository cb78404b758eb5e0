"""scripts/report.py from the outside."""

import subprocess
import sys

import pytest

from karyocyte.commands.report import app
from karyocyte.common.paths import ROOT
from karyocyte.workflows.report import sources
from tests.helpers.predictions import make_run
from tests.helpers.terminal import run_app
from tests.karyocyte.workflows.report.reports import write_run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two folds of one experiment, as folders ``run0`` and ``run1`` of the working directory; nothing is drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "draw_figures", lambda folder, evaluation: [])
    return [write_run(tmp_path / f"run{fold}", make_run(fold, images=20, subjects=10)) for fold in range(2)]


def test_the_page_of_a_run_is_in_its_folder_and_that_of_several_here_or_at_the_output(runs, tmp_path):
    result = run_app(app, runs[0])
    assert (runs[0] / "report.html").is_file()
    assert "20 of 20 test images, 20 pictures" in result.output
    run_app(app, *runs)
    assert "folds 0, 1" in (tmp_path / "report.html").read_text()
    result = run_app(app, runs[0] / "predictions.parquet", "--output", tmp_path / "a" / "b.html", "--images", 5)
    assert (tmp_path / "a" / "b.html").is_file()
    assert "5 of 20 test images" in result.output


def test_a_page_is_made_without_a_model_library(runs):
    code = (
        "import sys; from pathlib import Path; from karyocyte.workflows.report import sources; "
        "from karyocyte.workflows.report.page import write_report; "
        "sources.draw_figures = lambda *_: []; write_report([Path(sys.argv[1])]); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'pytorch_lightning')))"
    )
    done = subprocess.run([sys.executable, "-c", code, runs[0]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]

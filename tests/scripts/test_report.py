"""scripts/report.py from the outside."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluation.report import plots as figures
from scripts.report import app
from tests.evaluation.report.reports import write_run
from tests.helpers.predictions import make_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(figures, "as_picture", lambda draw, size: "data:,")


@pytest.fixture
def runs(tmp_path):
    """Two folds of one experiment, as folders ``run0`` and ``run1``."""
    return [write_run(tmp_path / f"run{fold}", make_run(fold, images=20, subjects=10)) for fold in range(2)]


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_run_gets_its_page_in_its_folder(runs):
    result = call(runs[0])
    assert result.exit_code == 0, result.output
    assert (runs[0] / "report.html").is_file()
    assert "20 of 20 test images, 20 pictures" in result.output


def test_several_runs_get_it_here_or_where_it_is_said(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*runs).exit_code == 0
    assert "folds 0, 1" in (tmp_path / "report.html").read_text()
    assert call(runs[0] / "predictions.parquet", "--output", tmp_path / "a" / "b.html").exit_code == 0
    assert (tmp_path / "a" / "b.html").is_file()


def test_images_are_limited_and_names_are_shown_where_asked(runs, tmp_path):
    result = call(runs[0], "--images", 5, "--real-names")
    assert "5 of 20 test images" in result.output
    assert "handle it as patient data" in result.output
    assert call(runs[0], "--key", tmp_path / "key.csv").exit_code == 0
    assert len((tmp_path / "key.csv").read_text().splitlines()) == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["run0", "run0"], "run0"),
        (["run0", "--real-names", "--key", "key.csv"], "--key"),
    ],
)
def test_mistakes_are_one_line(runs, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_help_imports_nothing_heavy(tmp_path):
    heavy = "torch|numpy|pandas|sklearn|scipy|matplotlib|pydantic|jinja2"
    command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / "report.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr[-500:]
    assert not re.findall(rf"\| +({heavy})$", done.stderr, flags=re.MULTILINE)


def test_a_page_is_made_without_a_model_library(runs):
    code = (
        "import sys; from pathlib import Path; from evaluation.report import plots; "
        "from evaluation.report.page import Options, write_report; plots.as_picture = lambda draw, size: 'data:,'; "
        "write_report([Path(sys.argv[1])], Path(sys.argv[1], 'x.html'), Options()); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'pytorch_lightning')))"
    )
    done = subprocess.run([sys.executable, "-c", code, runs[0]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]

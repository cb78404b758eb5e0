"""scripts/ensemble.py from the outside."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.predictions import read_predictions, write_predictions
from scripts.ensemble import app
from scripts.evaluate import app as evaluate
from tests.helpers.predictions import make_run, with_passes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runs(tmp_path):
    """Two members, the second with passes, as folders ``seed0`` and ``seed1``, and another fold."""
    for seed in range(2):
        run = make_run(images=40, skill=1.0 + seed, about={"seed": seed})
        write_predictions(tmp_path / f"seed{seed}" / "predictions.parquet", with_passes(run) if seed else run)
    write_predictions(tmp_path / "other" / "predictions.parquet", make_run(1, images=40))
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(app, ["average", *map(str, arguments), "--resamples", "20"])


def test_the_new_run_is_judged_like_any_other(runs):
    result = call(runs / "seed0", runs / "seed1" / "predictions.parquet", "--output", runs / "both")
    assert result.exit_code == 0, result.output
    assert "ensemble of 2: tiny" in result.output
    assert "1 of 2 members have passes of their own" in result.output
    written = {path.name for path in (runs / "both").iterdir()}
    assert {"predictions.parquet", "metrics.json", "status.json", "triage.csv", "reliability.png"} <= written
    status = json.loads((runs / "both" / "status.json").read_text())
    assert status["status"] == "finished"
    assert [Path(member).name for member in status["members"]] == ["seed0", "seed1"]
    assert read_predictions(runs / "both").sampled
    again = CliRunner().invoke(evaluate, [str(runs / "both"), "--resamples", "20"])
    assert again.exit_code == 0, again.output
    assert "votes_positive" in again.output


def test_nothing_is_overwritten(runs):
    result = call(runs / "seed0", runs / "seed1", "--output", runs / "seed0")
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert read_predictions(runs / "seed0").about["name"] == "tiny"


def test_a_member_by_another_path_is_the_same(runs, monkeypatch):
    monkeypatch.chdir(runs)
    result = call("seed0", runs / "seed0", "--output", "new")
    assert result.exit_code == 1
    assert result.stderr.strip() == "error: seed0 is named twice: name each member of the ensemble once"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["seed0"], "at least two"),
        (["seed0", "seed0/predictions.parquet"], "named twice"),
        (["seed0", "other"], "are not in"),
        (["seed0", "nowhere"], "no predictions at"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(runs, names, message):
    result = call(*(runs / name for name in names), "--output", runs / "new")
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (runs / "new").exists()


def test_help_imports_nothing_heavy(tmp_path):
    heavy = "torch|numpy|pandas|sklearn|scipy|matplotlib"  # typer itself takes pydantic where there are subcommands
    command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / "ensemble.py"), "average", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr[-500:]
    assert "--output" in done.stdout
    assert not re.findall(rf"\| +({heavy})$", done.stderr, flags=re.MULTILINE)

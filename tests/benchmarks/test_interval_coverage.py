"""The command that counts how often intervals cover the truth."""

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import interval_coverage as coverage
from benchmarks.__main__ import app
from benchmarks.interval_coverage import METHODS, WORLDS


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(coverage, "SUBJECTS", (4, 6))


def test_every_world_number_metric_and_method_has_a_row(tiny, tmp_path):
    path = tmp_path / "coverage.csv"
    result = CliRunner().invoke(app, ["coverage", "--cases", "2", "--resamples", "20", "--csv", str(path)])
    assert result.exit_code == 0, result.output
    found = pd.read_csv(path)
    keys = found[["world", "subjects", "metric", "method"]]
    assert len(keys.drop_duplicates()) == len(found) == len(WORLDS) * 2 * 10 * len(METHODS)
    assert set(found["subjects"]) == {4, 6}
    assert (found["cases"] == 2).all()
    assert (found["resamples"] == 20).all()
    assert found["revision"].notna().all()


def test_the_table_fits_a_terminal():
    found = coverage.measure_all(1, 20, (4,))
    console = Console(width=80, record=True)
    console.print(coverage.coverage_table(found, WORLDS[0].name))
    text = console.export_text()
    assert "f1_weighted difference" in text
    assert "expanded_bca" in text
    assert "…" not in text

"""scripts/compare.py: the table of claims and their audit."""

import pandas as pd
import pytest

from scripts.compare import app
from tests.evaluation.papers.claims import claim, measured, write_results
from tests.helpers.terminal import run_app


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    claims = [claim(), claim("better", claimed="0.95"), claim("private", metric="val_accuracy")]
    sums = [["009", "1", "right", "1 2", 3], ["009", "2", "wrong", "1 2", 4]]
    write_results(folder, claims, sums=sums, twice=[["009", "both", "1", "60", "2", "70", ""]])
    rows = [measured(high=0.92), measured("better, ours", "better")]
    pd.DataFrame(rows).to_csv(folder / "some.csv", index=False)
    return folder


def call(*arguments, code=0):
    return " ".join(run_app(app, *arguments, code=code).output.split())


def test_every_claim_has_a_verdict(results, tmp_path):
    output = call("--results", results, "--csv", tmp_path / "out.csv")
    assert "1 reached, 1 not reached, 1 not comparable" in output
    table = pd.read_csv(tmp_path / "out.csv", dtype=str).set_index("experiment")
    assert table["verdict"].to_dict() == {"net": "reached", "better": "not reached", "private": "not comparable"}
    assert table.loc["net", ["as_paper_value", "as_paper_seeds", "as_paper_folds"]].tolist() == ["0.8", "0", "0"]


def test_the_audit_marks_figures_that_do_not_follow(results, tmp_path):
    output = call("audit", "--results", results, "--csv", tmp_path / "audit.csv")
    assert "does not follow" in output
    assert "3 printed figures: 1 follow, 1 do not follow, 1 differ" in output
    assert pd.read_csv(tmp_path / "audit.csv")["follows"].tolist() == [True, False, False]
    failed = call("audit", "--results", results, "--failed")
    assert "wrong" in failed
    assert "right" not in failed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--paper", "007"], "no claims of paper 007: choose from 009"),
        (["audit", "--paper", "007"], "no claims of paper 007"),
        (["--paper", "009", "audit"], "write options after the word"),
    ],
)
def test_an_unknown_paper_and_options_before_the_command_are_errors(results, arguments, message):
    assert message in call(*arguments, "--results", results, code=1)

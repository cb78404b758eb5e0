"""scripts/compare.py: the table of claims."""

import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.runs.run import Run
from karyocyte.workflows.papers.verdicts import show_comparison
from tests.helpers.predictions import make_run
from tests.karyocyte.workflows.papers.claims import claim, measured, write_results


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    claims = [claim(), claim("better", claimed="0.95"), claim("private", metric="val_accuracy")]
    write_results(folder, claims)
    rows = [measured(low=0.75, high=0.92), measured("better, ours", "better"), measured("private", "private")]
    pd.DataFrame(rows).to_csv(folder / "some.csv", index=False)
    return folder


@pytest.fixture
def shown(results, capsys):
    """A function that compares, and returns what is printed."""

    def show(*paths, **options):
        show_comparison(paths, results=results, **options)
        return " ".join(capsys.readouterr().out.split())

    return show


def test_every_claim_has_a_verdict(shown, tmp_path):
    output = shown(csv=tmp_path / "out.csv")
    assert "1 lower, 1 reproduced), 1 not measured" in output
    table = pd.read_csv(tmp_path / "out.csv", dtype=str).set_index("experiment")
    assert table["verdict"].to_dict() == {"net": "reproduced", "better": "lower", "private": "not measured"}
    assert table.loc["net", ["as_paper", "as_paper_seeds", "as_paper_folds"]].tolist() == ["0.8", "0", "0"]


def test_own_runs_are_compared_with_their_experiment_alone(shown, tmp_path):
    run = Run(tmp_path / "mine")
    run.write_predictions(make_run(images=200, about={"name": "net", "source": "cells", "protocol": "paper"}))
    other = Run(tmp_path / "other")
    other.write_predictions(make_run(images=200, about={"name": "not_printed"}))
    output = shown(run.folder, other.folder)
    assert "1 printed figures" in output
    assert "net, section 1, cells" in output
    assert "better" not in output
    assert "3 printed figures" in shown(run.folder, papers=("009",))
    message = "none of these runs is an experiment of a paper"
    run.write_predictions(make_run(images=200, about={"name": "mine"}))
    with pytest.raises(UserError, match=message):
        shown(run.folder)

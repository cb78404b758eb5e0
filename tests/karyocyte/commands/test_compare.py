"""scripts/evaluate.py --paper: the printed figures and their grades."""

import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from karyocyte.workflows.papers.grades import show_grades
from tests.helpers.predictions import make_run
from tests.karyocyte.workflows.papers.claims import claim, write_results

ABOUT = {"source": "cells", "protocol": "paper", "images_seen": 600}


@pytest.fixture
def results(tmp_path):
    claims = [claim(printed=">0.5"), claim("other", not_run="no weights"), claim("private", part="validation")]
    return write_results(tmp_path / "results", claims)


@pytest.fixture
def shown(results, capsys):
    """A function that compares, and returns what is printed."""

    def show(*paths, **options):
        show_grades(paths, results=results, **options)
        return " ".join(capsys.readouterr().out.split())

    return show


def write_run(folder, name):
    run = Run(folder)
    run.write_predictions(make_run(images=200, about={"name": name} | ABOUT))
    run.write_raw_config({"name": name})
    return run.folder


def test_every_figure_has_a_grade_by_the_predictions_that_are_kept(shown, results, tmp_path):
    write_run(results / "evidence" / "net", "net")
    output = shown(csv=tmp_path / "out.csv")
    assert "net, paper 009, cells" in output
    assert "3 printed figures: 1 reproduced, 2 not run" in output
    table = pd.read_csv(tmp_path / "out.csv", dtype=str).set_index("experiment")
    grades = {"net": "reproduced", "other": "not run: no weights", "private": "not run: no predictions are kept"}
    assert table["grade"].to_dict() == grades


def test_own_runs_are_compared_with_their_experiment_alone(shown, tmp_path):
    run = write_run(tmp_path / "mine", "net")
    other = write_run(tmp_path / "other", "not_printed")
    output = shown(run, other)
    assert "1 printed figures: 1 reproduced" in output
    assert "private" not in output
    assert "3 printed figures" in shown(run, papers=("009",))
    with pytest.raises(UserError, match="none of these runs is an experiment of a paper"):
        shown(other)

"""scripts/evaluate.py --paper: the printed figures and their grades."""

import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.evaluation.tables.renderers import terminal
from karyocyte.runs.run import Run
from reproduction.claims import RESULTS
from reproduction.tables import figure_tables, show_grades
from tests.helpers.predictions import make_run
from tests.helpers.terminal import printed


@pytest.fixture
def shown(capsys, tmp_path):
    """A function that compares a run of a name, and returns what is printed and written."""

    def show(name, **options):
        run = Run(tmp_path / name)
        run.write_predictions(make_run(images=200, about={"name": name, "source": "cells", "protocol": "paper"}))
        show_grades([run.folder], csv=tmp_path / "out.csv", **options)
        return " ".join(capsys.readouterr().out.split()), pd.read_csv(tmp_path / "out.csv")

    return show


def test_own_runs_are_compared_with_their_experiment_alone_or_with_all_of_a_paper(shown):
    output, table = shown("hem_all_cnn_32")
    assert "hem_all_cnn_32, paper 003, cells" in output
    assert f"{len(table)} printed figures: {len(table)} other images" in output
    output, of_paper = shown("hem_all_cnn_32", papers=["003"])
    assert len(of_paper) > len(table)
    assert "Without a run" in output


def test_a_run_of_no_experiment_is_refused(shown):
    with pytest.raises(UserError, match="none of these runs is an experiment of a paper"):
        shown("not_printed")


def test_no_interval_is_cut_in_80_columns():
    texts = dict.fromkeys(("printed", "deviations", "grade", "one_class", "rivals", "reading"), str)
    figures = pd.read_csv(RESULTS / "grades.csv", dtype=texts).fillna(dict.fromkeys(texts, ""))
    text = "".join(printed(terminal(table), 80) for table in figure_tables(figures))
    assert text.count("(") == text.count(")") > 100

"""scripts/evaluate.py from the outside."""

import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from common.predictions import write_predictions
from scripts.evaluate import app
from tests.evaluation.cytogenetics.cells import make_cell_run
from tests.helpers.predictions import make_run
from workflows.evaluate import folders

QUICK = ["--resamples", "20"]


@pytest.fixture
def runs(tmp_path):
    """Three folds of two experiments, as folders ``good0`` .. ``poor2``."""
    for fold in range(3):
        for name, skill in (("good", 2.0), ("poor", 0.2)):
            run = make_run(fold, images=30, subjects=10, skill=skill, about={"name": name})
            write_predictions(tmp_path / f"{name}{fold}" / "predictions.parquet", run)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), *QUICK])


def test_one_run(runs):
    result = call(runs / "good1")
    assert result.exit_code == 0, result.output
    assert "good · cnmc · protocol subject · fold 1 of 3" in result.output
    assert "sensitivity" in result.output


def test_several_runs_are_pooled(runs):
    result = call(*(runs / f"good{fold}" / "predictions.parquet" for fold in range(3)))
    assert "folds 0, 1, 2 of 3" in result.output
    assert "90 test images" in result.output
    assert "fold mean" in result.output


def test_the_difference_of_two_groups(runs):
    result = call(*(runs / f"good{f}" for f in range(3)), "--against", *(runs / f"poor{f}" for f in range(3)))
    assert result.exit_code == 0, result.output
    assert "second: poor" in result.output
    assert re.search(r"auc +0\.\d+ +0\.\d+ +\+0\.\d+", result.output)
    assert "McNemar" in result.output


def test_rows_and_files_are_written(runs):
    folder, csv = runs / "pooled", runs / "results" / "x.csv"
    result = call(runs / "good0", runs / "good1", "--csv", csv, "--label", "mine", "--output", folder)
    assert result.exit_code == 0, result.output
    pictures = {"confusion_matrix.png", "roc.png", "reliability.png", "risk_coverage.png"}
    tables = {f"{name}.csv" for name in ("triage", "wrong", "by_subject", "subgroups", "operating_points")}
    assert {path.name for path in folder.iterdir()} == {"metrics.json", *tables, *pictures}
    assert set(pd.read_csv(csv)["label"]) == {"mine"}
    assert set(pd.read_csv(csv)["folds"]) == {"0 1"}


def test_several_experiments_stand_beside_one_another_and_in_pairs(runs):
    folder, csv = runs / "both", runs / "x.csv"
    names = [runs / f"{name}{fold}" for name in ("good", "poor") for fold in range(3)]
    result = call(*names, "--output", folder, "--csv", csv, "--label", "mine", "--correction", "fdr_bh")
    assert result.exit_code == 0, result.output
    assert "1 - 2" in result.output
    assert "Benjamini and Hochberg's correction for 1 pair" in " ".join(result.output.split())
    assert {path.name for path in folder.iterdir()} == {"good", "poor", "groups.csv", "pairs.csv"}
    assert pd.read_csv(folder / "groups.csv")["images"].tolist() == [90, 90]
    assert (folder / "poor" / "metrics.json").is_file()
    rows = pd.read_csv(csv).set_index("label")
    assert set(rows.index) == {"mine: good", "mine: poor", "mine"}
    assert {"auc", "ece", "nll_scaled"} <= set(rows.loc["mine: good", "metric"])
    assert {"difference/auc", "mcnemar_p", "mcnemar_p_fdr_bh"} <= set(rows.loc["mine", "metric"])


def test_what_lies_in_the_output_folder_is_never_overwritten(runs):
    before = (runs / "good0" / "predictions.parquet").read_bytes()
    result = call(runs / "good1", "--output", runs / "good0")
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert [path.name for path in (runs / "good0").iterdir()] == ["predictions.parquet"]
    assert (runs / "good0" / "predictions.parquet").read_bytes() == before
    (runs / "empty").mkdir()
    assert call(runs / "good1", "--output", runs / "empty").exit_code == 0


def test_folders_of_groups_have_plain_names_that_differ():
    assert folders(["a, seed 0", "a, seed 1", "b/c", "b?c", "..", "ä"]) == [
        "a_seed_0",
        "a_seed_1",
        "b_c",
        "b_c_2",
        "group",
        "ä",
    ]


@pytest.fixture
def cells(tmp_path):
    """Two folds of single chromosomes, as folders ``cells0`` and ``cells1``."""
    for fold in range(2):
        write_predictions(tmp_path / f"cells{fold}" / "predictions.parquet", make_cell_run(fold, cells=4, skill=3.0))
    return tmp_path


def test_whole_cells_have_a_second_line_without_being_asked(cells):
    folder, csv = cells / "pooled", cells / "x.csv"
    result = call(cells / "cells0", cells / "cells1", "--csv", csv, "--output", folder)
    assert result.exit_code == 0, result.output
    assert "joint assignment" in result.output
    assert "8 and 4 nats" in result.output
    assert {"accuracy", "accuracy_assigned", "cells_right", "cells_right_assigned"} <= set(pd.read_csv(csv)["metric"])
    assert len(pd.read_csv(folder / "assigned.csv")) == 8 * 46


def test_options_of_the_joint_assignment(cells):
    said = ["--extra-cost", "5", "--missing-cost", "3", "--costs", "validation"]
    result = call(cells / "cells0", *said)
    assert "chosen on" in result.output
    assert "5 and 3 nats" in call(cells / "cells0", *said[:4]).output
    assert "joint assignment" not in call(cells / "cells0", "--no-assign").output


def test_assignment_of_what_has_no_cells_says_why(runs):
    result = call(runs / "good0", "--assign")
    assert result.exit_code == 0, result.output
    assert "cells are not assigned: the classes must be 1 to 22, X and Y" in result.output
    # Who says a cost wants the cells placed, too.
    assert "cells are not assigned" in call(runs / "good0", "--extra-cost", "5").output
    assert "cells are not assigned" in call(runs / "good0", "--costs", "validation").output
    assert "cells are not assigned" not in call(runs / "good0").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no predictions at"),
        (["good0", "good0"], "good0 is named twice: name each run once"),
        (["good0", "good0/predictions.parquet"], "predictions.parquet is named twice"),
        (["good0", "--against", "poor0", "poor0"], "poor0 is named twice"),
        (["good0", "--csv=other.csv"], "other.csv has other columns than label"),
        (["good0", "--csv=."], ". is not a readable table: name another file with --csv"),
        (["good0", "--against", "poor1"], "the images differ"),
        (["good0", "poor0", "--against", "poor1"], "these are 2 (good, poor): name one of them"),
        (["good0", "--no-assign", "--missing-cost=3"], "--no-assign beside the costs"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_judged(runs, monkeypatch, arguments, message):
    monkeypatch.chdir(runs)
    Path("other.csv").write_text("a,b\n")
    result = call(*(one if one.startswith("-") else runs / one for one in arguments))
    assert result.exit_code == 1
    assert not result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]


@pytest.mark.parametrize("arguments", [["good0", "--against"], ["--against", "--label", "x", "good0"]])
def test_against_nothing_is_refused(runs, arguments):
    assert call(*(one if one.startswith("-") else runs / one for one in arguments)).exit_code == 2

"""The tables of the front page come from results/ and from nowhere else."""

import pandas as pd
import pytest

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.paths import ROOT
from docs.tables import measured as tables
from docs.tables.__main__ import BLOCK, fill, pages
from evaluation.comparison.paired import compare
from evaluation.evaluate import judge_pooled
from evaluation.papers.tables import claims as claims_table
from evaluation.papers.tables import claims_001
from evaluation.results_csv import append_rows, rows_of, rows_of_comparison
from tests.helpers.cells import make_cell_run
from tests.helpers.claims import claim, write_results
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


@pytest.fixture
def results(tmp_path):
    """A results folder with two groups of runs and their difference."""
    first = [make_run(fold, skill=3.0) for fold in range(2)]
    second = [make_run(fold, skill=0.5) for fold in range(2)]
    path = tmp_path / "some.csv"
    append_rows(path, rows_of(judge_pooled(first, SETTINGS), "first"))
    append_rows(path, rows_of(judge_pooled(second, SETTINGS), "second"))
    both = rows_of(judge_pooled(first, SETTINGS), "first - second")
    append_rows(path, both + rows_of_comparison(compare(first, second, SETTINGS), "first - second"))
    return tmp_path


def test_a_row_per_group_with_pooled_values_and_means(results):
    text = tables.measured("some")(results)
    judged = judge_pooled([make_run(fold, skill=3.0) for fold in range(2)], SETTINGS)
    auc, mean = judged["test"]["metrics"]["auc"], judged["fold_means"]["metrics"]["auc"]
    row = next(line for line in text.splitlines() if line.startswith("| first "))
    assert f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in row
    assert f"{mean['value']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})" in row
    assert "first - second" not in text


def test_differences_stand_in_a_table_of_their_own(results):
    lines = tables.differences("some")(results).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| first - second")
    assert "+0." in lines[2]


def test_a_label_for_two_measurements_is_refused(results):
    append_rows(results / "some.csv", rows_of(judge_pooled([make_run(5), make_run(6)], SETTINGS), "first"))
    with pytest.raises(UserError, match="'first' stands for two measurements"):
        tables.measured("some")(results)


def test_the_tables_of_chromosomes(tmp_path):
    """One by one and jointly; a run without cells has no joint figure; the budget is each fold's."""
    settings = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))
    runs = [make_cell_run(fold, cells=4, images_seen=6000, wall_seconds=120.0) for fold in range(2)]
    judged = judge_pooled(runs, settings)
    torn = judge_pooled([make_cell_run(fold, cells=4, protocol="image") for fold in range(2)], SETTINGS)
    append_rows(tmp_path / "chromosomes.csv", rows_of(judged, "ours") + rows_of(torn, "torn"))
    lines = tables.chromosomes(tmp_path).splitlines()
    one = judged["assignment"]["metrics"]["cells_right_assigned"]
    assert f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" in lines[2]
    assert "| 6,000 " in lines[2]
    assert lines[2].endswith("| 2                  |")
    assert "| - " in lines[3]
    recalls = tables.chromosome_recalls(tmp_path).splitlines()
    assert [cell.strip() for cell in recalls[0].split("|")[1:-1]] == ["class", "ours", "ours, jointly", "torn"]
    assert len(recalls) == 2 + 24
    assert f"{judged['assignment']['metrics']['recall/Y_assigned']['value']:.3f}" in recalls[-1]


def test_rows_of_single_folds_stay_out_of_the_front_page(tmp_path):
    settings = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))
    runs = [make_cell_run(fold, cells=4, images_seen=6000, wall_seconds=120.0) for fold in range(2)]
    rows = rows_of(judge_pooled(runs, settings), "ours")
    append_rows(tmp_path / "chromosomes.csv", rows)
    pooled = tables.chromosomes(tmp_path), tables.chromosome_recalls(tmp_path)
    append_rows(tmp_path / "chromosomes.csv", rows_of(judge_pooled(runs[:1], settings), "ours, fold 0"))
    assert (tables.chromosomes(tmp_path), tables.chromosome_recalls(tmp_path)) == pooled


def test_a_claim_stands_beside_what_was_measured(tmp_path):
    claims = [claim("a_net", claimed="0.910"), claim("b_net", metric="val_accuracy")]
    write_results(tmp_path, claims)
    about = {"name": "a_net", "source": "cells", "images_seen": 6000, "wall_seconds": 120.0}
    judged = judge_pooled([make_run(0, about=about), make_run(1, about=about)], SETTINGS)
    append_rows(tmp_path / "some.csv", rows_of(judged, "a_net, 72 px"))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in claims_table("009")(tmp_path).splitlines()]
    accuracy = judged["test"]["metrics"]["accuracy"]
    shown = f"{accuracy['value']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f}), 120 images"
    budget = "2 folds, 1 seed, 6,000 images seen, 2.0 min"
    why = "not comparable: 120 of 1,000 images; not measured as the paper split"
    assert lines[2] == ["`a_net`", "1", "0.910 accuracy", "cells", "", shown, budget, why]
    assert lines[3][:3] == ["`b_net`", "1", "0.9 accuracy on validation"]
    assert lines[3][-1].endswith("not measured here")


def test_two_claims_of_paper_001_do_not_follow_from_its_matrices():
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in claims_001(ROOT / "results").splitlines()]
    said = {row[0].strip("`"): row[-1] for row in lines[2:]}
    assert len(said) == 7
    wrong = {name: word for name, word in said.items() if word != "agrees"}
    assert wrong == {"karyogram_vgg16": "116 of 139 test images", "karyogram_vgg16_last2": "accuracy 0.957"}


@pytest.mark.parametrize(
    "page", [page for page in pages(ROOT) if BLOCK.search(page.read_text())], ids=lambda page: page.name
)
def test_the_tables_of_a_page_are_up_to_date(page):
    text = page.read_text()
    assert fill(text, ROOT / "results") == text, "run python -m docs.tables"


def test_no_page_is_without_its_tables():
    assert sum(len(BLOCK.findall(page.read_text())) for page in pages(ROOT)) >= 30


def test_claims_name_experiments_that_exist():
    names = pd.read_csv(ROOT / "results" / "claims.csv")["experiment"]
    ensembles = {"ensemble_average", "ensemble_genetic"}  # of scripts/ensemble.py
    assert all((ROOT / "conf" / "experiment" / f"{name}.yaml").is_file() for name in set(names) - ensembles)

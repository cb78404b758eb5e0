"""The whole evaluation of made-up scores."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from common.config.schema import EvaluationConfig
from common.errors import UserError
from datamodules.homologues.changes import KINDS
from evaluation.homologues.evaluate import evaluate_homologues, write_homologues
from evaluation.homologues.items import ABNORMAL, CONTROL, NORMAL, PairItems
from evaluation.homologues.terminal import homologues_table
from evaluation.results_csv import append_rows, rows_of_metrics
from tests.evaluation.homologues.made_up_pairs import made_up_run

SETTINGS = EvaluationConfig()


def evaluated(signal, **options):
    predictions, pairs = made_up_run(signal, **options)
    return evaluate_homologues([predictions], [pairs], SETTINGS).result


def test_the_kinds_are_those_that_are_derived():
    assert (*NORMAL, *ABNORMAL, CONTROL) == KINDS


def test_a_perfect_scorer():
    result = evaluated(lambda size: 100.0)
    for level in ("pair", "cell", "case"):
        cells = "2" if level == "case" else ""
        assert result.find(level, "auc", "all", cells=cells).value == 1
    assert result.find("pair", "sensitivity", "deletion").value == 1
    assert result.find("pair", "localised", "all").value == 1
    assert result.find("pair", "localised by a fixed place", "deletion", subset="size < 0.15").value == 1
    assert result.find("pair", "which", "all").value == 1
    assert result.calls["terminal deletion"] == {
        "deletion": 200,
        "duplication": 0,
        "inversion": 0,
        "translocation": 0,
    }
    assert all(curve.limit.value == pytest.approx(curve.sizes[0]) for curve in result.curves)


def test_a_random_scorer():
    result = evaluated(lambda size: 0.0, cases=80, validation=40, seed=1)
    assert result.find("pair", "auc", "all").value == pytest.approx(0.5, abs=0.02)
    for kind in ("rejoined", "exchanged", CONTROL):
        assert result.find("pair", "auc", kind, against="untouched").value == pytest.approx(0.5, abs=0.05)
    assert result.find("pair", "specificity", "untouched").value == pytest.approx(0.95, abs=0.03)
    assert result.find("cell", "alarmed", "untouched").value == pytest.approx(0.05, abs=0.08)
    assert all(curve.limit.value is None for curve in result.curves)


def test_the_area_of_pairs_is_the_mean_over_chromosomes():
    predictions, pairs = made_up_run(lambda size: 5 * size)
    found = evaluate_homologues([predictions], [pairs], SETTINGS).result
    rows = pairs[(pairs["part"] == "test") & pairs["kind"].isin([*NORMAL, "duplication"])]
    rows = rows[(rows["kind"] != "duplication") | (rows["size"] >= 0.15)]
    areas = [roc_auc_score(of["kind"] == "duplication", of["score"]) for _, of in rows.groupby("chromosome")]
    interval = found.find("pair", "auc", "duplication", subset="size >= 0.15", against="normal")
    assert interval.value == pytest.approx(np.mean(areas))
    assert interval.low < interval.value < interval.high


def test_both_sides_of_a_translocation_say_more_than_one():
    result = evaluated(lambda size: 1.0, cases=60)
    both = result.find("pair", "auc", "translocation, both").value
    assert both == pytest.approx(norm.cdf(2 / np.sqrt(2) / np.sqrt(2)), abs=0.03)  # two of a signal of one deviation
    assert both > result.find("pair", "auc", "translocation", against="normal").value + 0.05


def test_a_cell_with_a_translocation_has_both_of_its_chromosomes():
    """Only the partner is conspicuous, and the cell is all the same."""
    predictions, pairs = made_up_run(lambda size: 0.0)
    pairs.loc[pairs["kind"] == "translocation partner", "score"] += 1000
    result = evaluate_homologues([predictions], [pairs], SETTINGS).result
    assert result.find("cell", "auc", "translocation").value == 1
    assert result.find("case", "auc", "translocation", cells="2").value == 1
    assert result.find("cell", "auc", "translocation partner") is None


def test_more_cells_of_a_case_make_it_surer():
    result = evaluated(lambda size: 2.0, cells=3, cases=60)
    of_cells = [result.find("case", "auc", "deletion", cells=cells).value for cells in ("1", "2", "3+")]
    assert of_cells[0] + 0.03 < of_cells[1]
    assert of_cells[1] + 0.01 < of_cells[2]
    assert of_cells[0] == pytest.approx(result.find("cell", "auc", "deletion").value, abs=0.03)


def test_folds_are_pooled_though_their_scores_are_on_other_scales():
    runs = [made_up_run(lambda size: 2.0, seed=fold, fold=fold) for fold in range(2)]
    runs[1][1]["score"] = 0.01 * runs[1][1]["score"] - 50
    alone = [evaluate_homologues([run], [pairs], SETTINGS).result for run, pairs in runs]
    both = evaluate_homologues(*zip(*runs, strict=True), SETTINGS).result
    assert both.cases == 40
    for level, cells in (("pair", ""), ("cell", ""), ("case", "1")):
        mean = np.mean([each.find(level, "auc", "all", cells=cells).value for each in alone])
        assert both.find(level, "auc", "all", cells=cells).value == pytest.approx(mean, abs=1e-6)


def test_chromosomes_that_alarm_are_named():
    predictions, pairs = made_up_run(lambda size: 2.0)
    pairs.loc[(pairs["chromosome"] == "3") & (pairs["part"] == "test"), "score"] += 30
    result = evaluate_homologues([predictions], [pairs], SETTINGS).result
    of_three = next(each for each in result.chromosomes if each.chromosome == "3")
    assert of_three.false_alarms.value == 1
    assert of_three.cell_alarms == result.cells == 40
    assert result.find("case", "alarmed", "untouched").value == 1


def test_files_and_table(tmp_path):
    predictions, pairs = made_up_run(lambda size: 3.0)
    evaluation = evaluate_homologues([predictions], [pairs], SETTINGS)
    write_homologues(tmp_path, evaluation)
    written = json.loads((tmp_path / "homologues.json").read_text())
    assert written["cells"] == 40
    table = pd.read_csv(tmp_path / "homologues.csv")
    row = table.query("level == 'cell' and metric == 'auc' and kind == 'all' and subset == 'all'").iloc[0]
    assert row["value"] == pytest.approx(evaluation.result.find("cell", "auc", "all").value, abs=1e-6)
    cells = pd.read_csv(tmp_path / "homologues_normal_cells.csv")
    assert len(cells) == 40
    assert cells["p_value"].is_monotonic_increasing
    for name in ("by_size", "levels", "by_chromosome"):
        assert (tmp_path / f"homologues_{name}.png").stat().st_size > 10_000
    console = Console(width=80, record=True)
    console.print(homologues_table(evaluation.result))
    assert max(map(len, console.export_text().splitlines())) <= 80
    rows = rows_of_metrics(evaluation.result.about, evaluation.result.named(), "made up", 10, 20)
    append_rows(tmp_path / "results.csv", rows)
    names = pd.read_csv(tmp_path / "results.csv")["metric"]
    assert names.is_unique
    assert {"auc_pair/deletion/size >= 0.15", "auc_case/all/2 cells", "size_limit/duplication"} <= set(names)


def test_items_that_the_predictions_lack_are_left_out():
    predictions, pairs = made_up_run(lambda size: 1.0)
    frame = predictions.frame[predictions.frame["cell"] != "20.0"]
    fewer = type(predictions)(frame, predictions.classes, predictions.positive_class, predictions.about)
    assert evaluate_homologues([fewer], [pairs], SETTINGS).result.cells == 39


def test_twenty_thousand_items_take_seconds():
    run = made_up_run(lambda size: 2.0, cases=60, cells=2, chromosomes=20)
    begin = time.process_time()
    evaluate_homologues([run[0]], [run[1]], SETTINGS)
    assert time.process_time() - begin < 30


def test_what_is_missing_is_named():
    predictions, pairs = made_up_run(lambda size: 1.0)
    with pytest.raises(UserError, match=r"no column hit: train again"):
        PairItems.of([predictions], [pairs.drop(columns="hit")])
    with pytest.raises(UserError, match=r"unknown kind, ring"):
        PairItems.of([predictions], [pairs.replace({"kind": {"deletion": "ring"}})])
    test = predictions.frame[predictions.frame["part"] == "test"]
    alone = type(predictions)(test, predictions.classes, predictions.positive_class, predictions.about)
    with pytest.raises(UserError, match=r"split.validation above 0"):
        PairItems.of([alone], [pairs])

"""The truth of drawn data sets, the counting, and how often the intervals cover the truth."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import interval_coverage as coverage
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.metrics.resampled import evaluate

QUICK = EvaluationConfig(resamples=50)


@pytest.mark.parametrize("world", [*coverage.WORLDS, coverage.World("rare", 0.15, 0.8, 0.5)])
def test_the_truth_is_what_very_many_subjects_show(world):
    pair = coverage.draw_pair(world, 20_000, np.random.default_rng(0))
    first, second = (evaluate(images) for images in pair)
    for name, value in coverage.truth(world).items():
        assert first[name] == pytest.approx(value, abs=0.01), name
    for name, value in coverage.truth_of_pair(world).items():
        metric = name.removesuffix(coverage.OF_DIFFERENCE)
        assert first[metric] - second[metric] == pytest.approx(value, abs=0.008), name


def test_cases_are_counted_by_hand():
    table = coverage.measure(coverage.WORLDS[0], 6, QUICK, 12, coverage.METHODS)
    assert len(table) == (len(coverage.MAIN) + len(coverage.DIFFERENCES)) * len(coverage.METHODS)
    row = table.set_index(["metric", "method"]).loc[("sensitivity", "logit_t")]
    found = []
    for case in range(12):
        images, _ = coverage.draw_pair(coverage.WORLDS[0], 6, np.random.default_rng([0, 6, case]))
        found.append(intervals(images, QUICK.model_copy(update={"seed": case}))["sensitivity"])
    ends = np.array([(each.low, each.high) for each in found if each.low is not None])
    true = coverage.truth(coverage.WORLDS[0])["sensitivity"]
    covered = int(((ends[:, 0] <= true) & (true <= ends[:, 1])).sum())
    exact = share(covered, len(ends), 0.95)
    assert (row["cases"], row["without"], row["covered"]) == (12, 12 - len(ends), covered)
    assert (row["share_low"], row["share_high"]) == (exact.low, exact.high)
    assert row["share"] + row["missed_low"] + row["missed_high"] == pytest.approx(1)
    assert row["width"] == pytest.approx(np.diff(ends).mean())
    assert row["undefined"] == sum(each.undefined for each in found) > 0  # few of six subjects are positive


def test_a_metric_that_no_case_defines_has_no_share():
    table = coverage.measure(coverage.World("one class", 0.0, 1.0, 1.0), 4, QUICK, 3, ("logit_t",)).set_index("metric")
    assert table.loc["auc", ["without", "undefined"]].tolist() == [3, 3 * 50]
    assert np.isnan(table.loc["auc", "share"])


def test_the_command_tabulates_every_world_number_metric_and_method(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(coverage, "SUBJECTS", (4, 6))
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "coverage.csv"
    coverage.coverage(cases=2, resamples=20, csv=path)
    assert "f1_weighted difference" in capsys.readouterr().out
    table = pd.read_csv(path)
    keys = table[["world", "subjects", "metric", "method"]]
    assert len(keys.drop_duplicates()) == len(table) == len(coverage.WORLDS) * 2 * 10 * len(coverage.METHODS)
    assert set(table["subjects"]) == {4, 6}
    assert ((table["cases"] == 2) & (table["resamples"] == 20) & table["revision"].notna()).all()

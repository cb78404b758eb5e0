"""The tables of karyograms come from results/ and from nowhere else."""

import pandas as pd

from common.config.schema import EvaluationConfig
from docs.tables import karyograms as tables
from evaluation.evaluate import judge
from evaluation.results_csv import append_rows, rows_of
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)
CLASSES = ("normal", "abnormal")


def lines(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def run_of(protocol, skill, seed=0):
    about = {"protocol": protocol, "images_seen": 3000, "wall_seconds": 120.0, "name": "net"}
    return judge(make_run(classes=CLASSES, skill=skill, seed=seed, about=about), SETTINGS)


def test_a_row_per_network_and_protocol_and_the_gap_in_one_line(tmp_path):
    judged = {protocol: run_of(protocol, skill) for protocol, skill in (("subject", 0.5), ("paper", 3.0))}
    for judgement in judged.values():
        append_rows(tmp_path / "karyograms.csv", rows_of(judgement, "net"))
    append_rows(tmp_path / "karyograms.csv", rows_of(run_of("subject", 1.0, seed=3), "lonely"))
    table = lines(tables.karyograms(tmp_path))
    assert [row[:2] for row in table[2:]] == [["net", "subject"], ["net", "paper"], ["lonely", "subject"]]
    auc = judged["paper"]["test"]["metrics"]["auc"]
    assert table[3][6] == f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    assert table[3][7:] == ["3,000", "2"]
    gap = lines(tables.protocol_gap(tmp_path))
    difference = auc["value"] - judged["subject"]["test"]["metrics"]["auc"]["value"]
    assert [row[0] for row in gap[2:]] == ["net"]
    assert gap[2][2] == "-"
    assert gap[2][-1] == f"{difference:+.3f}"


def test_real_kinds_and_derived_ones_stand_apart(tmp_path):
    row = {"cells": 10, "cases": 6, "found": 4, "share": 0.4, "low": 0.122, "high": 0.738, "cases_found": 3}
    kinds = ("trisomy", "sex_aneuploidy", "normal", "inversion")
    seen = [{"method": "net, at 0.5", "kind": kind, **row} for kind in kinds]
    counted = [{"method": "counted", "kind": kind, **row, "exactly": 4} for kind in kinds[:3]]
    pd.DataFrame(counted + seen).to_csv(tmp_path / "karyotypes.csv", index=False)
    real = lines(tables.karyotypes(tmp_path))
    assert real[0][1:] == ["trisomy, of 6 cases", "sex aneuploidy, of 6 cases", "normal, of 6 cases"]
    assert [row[:2] for row in real[2:]] == [
        ["counted", "4 of 10 (0.12 to 0.74)"],
        ["net, at 0.5", "4 of 10 (0.12 to 0.74)"],
    ]
    assert lines(tables.derived_kinds(tmp_path))[2:] == [["net, at 0.5", "4 of 10 (0.12 to 0.74)"]]

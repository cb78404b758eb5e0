"""Faults that users of such programs report, by number and kind, each with the test that keeps it out (cases.csv)."""

import ast
from pathlib import Path

import pandas as pd

from karyocyte.common.paths import ROOT


def test_each_case_has_a_test_that_is_there():
    table = pd.read_csv(Path(__file__).with_name("cases.csv"), dtype=str)
    assert table["number"].is_unique
    for case in table.itertuples():
        file, _, name = case.test.partition("::")
        found = {getattr(node, "name", None) for node in ast.walk(ast.parse((ROOT / file).read_text()))}
        assert name in found, f"case {case.number}, {case.kind}: its test is gone from {file}"

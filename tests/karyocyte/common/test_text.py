"""No cell of a table is run by a spreadsheet, and what is written is read again; no name steers a terminal."""

import csv
import re

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.common.files import changed_text, read_csv, write_csv
from karyocyte.common.text import escape_formula, one_line, unescape_formula

RUN = re.compile("[=+@\t\r\n＝＋＠－-]")
NUMBER = re.compile(r"-|[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)
EVIL = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "-case.png", '=HYPERLINK("x")']


def test_formulas_are_text_and_numbers_stay(tmp_path):
    table = pd.DataFrame({"file": EVIL, "number": np.linspace(-1, 1, len(EVIL)), "=x": "a"})
    table["text"] = ["-0.5", "+3", "-1e-5", "-", "", None, "47,XY,+18", "it's", "'quoted'", "x=y"]
    write_csv(tmp_path / "a.csv", table, "%.6f")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if RUN.match(cell) and not NUMBER.fullmatch(cell)]
    plain = pd.read_csv(tmp_path / "a.csv")
    assert plain["number"].tolist() == table["number"].round(6).tolist()
    assert list(plain["text"].dropna()) == [text for text in table["text"].fillna("") if text]
    back = read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert back["file"].tolist() == EVIL
    assert list(back.columns) == list(table.columns)


@given(st.lists(st.text("=+-@'\t12e. x＝")))
def test_every_text_is_read_as_it_was(texts):
    table = pd.DataFrame({"text": texts}, dtype=object)
    safe = changed_text(table, escape_formula)
    assert changed_text(safe, unescape_formula)["text"].tolist() == texts
    assert not [text for text in safe["text"] if RUN.match(text) and not NUMBER.fullmatch(text)]


def test_control_characters_are_written_as_escapes():
    assert one_line("染色体 é.png") == "染色体 é.png"
    assert one_line("a\nb\x1b[2J\t\udcff") == "a\\nb\\x1b[2J\\t\\udcff"

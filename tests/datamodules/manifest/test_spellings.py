"""Names that mean the same, and names that do not."""

import pandas as pd
import pytest

from datamodules.manifest.manifest import manifest_frame
from datamodules.manifest.spellings import describe_spellings, describe_unknown, meaning, quotation, spellings

SAME = [
    ("Lymphocyte", "lymphocyte"), ("P1", "P01"), ("7", "7.0"), ("cell a", "cell  a "), ("Größe", "Gro\u0308ße"),
    ("ALL", "ALL\u200b"), ("a b", "a\u00a0b"), ("ＡＬＬ", "all"), ("S010", "S10"), ("STRASSE", "straße"),
    ("7", "7,0"), ("P1", "P1.0"), ("PA1", "P\u04101"), ("P-1", "P\u20131"), ("O'N", "O\u2019N"), ("P1", "P1\ufe0f"),
    ("P1", "P\u034f1"), ("T cell", "\u0422 cell"),
]  # fmt: skip
DIFFERENT = [("P1", "P10"), ("1.5", "15"), ("H1", "1"), ("a_b", "a b"), ("7.10", "7.1"), ("P-1", "P1"), ("0", "00x")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name_are_found_and_said(one, other):
    (group,) = spellings([one, other, "quite different"])
    assert set(group) == {one, other}
    frame = manifest_frame(pd.DataFrame({"label": ["x", "x", "y"], "subject": [one, other, other]}))
    (line,) = describe_spellings(frame)
    assert line.startswith("subjects that may be the same")


@pytest.mark.parametrize("name", ["1.23E+05", "01-Feb", "MAR-01"])
def test_what_a_spreadsheet_makes_of_names_is_said(name):
    (line,) = describe_spellings(manifest_frame(pd.DataFrame({"label": ["x"], "subject": [name]})))
    assert name in line


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_names_stay_apart(one, other):
    assert meaning(one) != meaning(other)
    assert spellings([one, other]) == []


def test_names_that_print_alike_are_shown_with_their_code_points():
    assert quotation(("ALL", "ALL\u200b")) == '"ALL" and "ALL\\u200b"'
    assert quotation(("P1", "P01")) == '"P1" and "P01"'
    assert quotation(("PA1", "P\u04101")) == '"PA1" and "P\\u04101"'


def test_what_programs_write_for_an_unknown_subject_is_no_person_in_silence():
    (line,) = describe_unknown(pd.Series(["NA", "nan", "P1", "P2"]))
    assert line.startswith('2 images are of the subject "NA", "nan"')
    assert describe_unknown(pd.Series(["Nan1", "7", "#A1", "#7", "#ab"])) == []

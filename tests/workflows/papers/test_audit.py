"""What the audit of the claims marks, on made-up figures and on the papers' own."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from common.errors import UserError
from common.paths import ROOT
from tests.workflows.papers.claims import claim, write_results
from workflows.papers.audit import (
    Confusion,
    audit,
    contradictions,
    follows,
    printed_confusion,
    printed_figures,
    reconstruct,
    weighted_f1,
)

SHARES = {"whole": "0.33", "no whole": "0.40"}  # of three images


def test_the_printed_columns_are_read():
    claim = {"claimed": "0.97", "precision": "0.98", "recall": "0.95", "auc": ""}
    claim |= {"tp": "56", "fp": "1", "tn": "56", "fn": "3"}
    assert printed_confusion(claim) == Confusion(56, 1, 56, 3)
    assert printed_figures(claim) == {"accuracy": "0.97", "precision": "0.98", "recall": "0.95"}
    assert printed_confusion({**claim, "tp": ""}) is None


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        ("0.97", Fraction(136, 139), True),  # 0.9784, truncated
        ("0.98", Fraction(136, 139), True),  # rounded
        ("0.98", Fraction(133, 139), False),  # 0.957
        ("1.00", Fraction(1), True),
        ("0.5", Fraction(45, 100), True),  # half is rounded up
        ("0.999", Fraction(1), False),
    ],
)
def test_rounded_or_truncated(figure, value, expected):
    assert follows(figure, value) is expected


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 4))
def test_what_was_rounded_or_truncated_follows_and_what_is_further_off_does_not(part, more, digits):
    value, unit = Fraction(part, part + more), Fraction(1, 10**digits)
    below = (value // unit) * unit
    assert follows(f"{float(below):.{digits}f}", value)
    assert not follows(f"{float(below + 2 * unit):.{digits}f}", value)
    assert follows(f"{float(below + unit):.{digits}f}", value) is (value - below >= unit / 2)


def test_contradictions_are_named():
    right = {"accuracy": "0.83", "precision": "0.83", "recall": "0.56", "AUC": "0.10"}
    assert contradictions(right, Confusion(5, 1, 20, 4), 30) == []
    assert contradictions({"accuracy": "0.98", "precision": "0.93"}, Confusion(57, 4, 76, 2), 139) == ["accuracy 0.957"]
    assert contradictions({"accuracy": "0.97"}, Confusion(56, 1, 56, 3), 139) == ["116 of 139 test images"]
    assert contradictions({"precision": "0.00"}, Confusion(0, 0, 3, 1), 4) == []


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_a_matrix_is_found_again_in_its_recalls(negatives, positives, data):
    tn, tp = data.draw(st.integers(0, negatives)), data.draw(st.integers(0, positives))
    actual = reconstruct(f"{tn / negatives:.4f}", f"{tp / positives:.4f}", negatives, positives)
    assert actual == [Confusion(tp, negatives - tn, tn, positives - tp)]  # four digits tell 400 images apart


def test_recalls_that_no_matrix_has():
    assert reconstruct("0.5001", "0.5", 10, 10) == []
    assert len(reconstruct("0.5", "0.5", 1000, 10)) > 1  # one digit leaves room


def test_weighted_f1_is_scikit_learns():
    matrix = Confusion(5, 1, 20, 4)
    truth, called = [1] * 9 + [0] * 21, [1] * 5 + [0] * 4 + [1] + [0] * 20
    assert float(weighted_f1(matrix)) == pytest.approx(f1_score(truth, called, average="weighted"))
    assert weighted_f1(Confusion(0, 0, 3, 0)) == 1


def followed(folder, **tables):
    """Return whether each check follows, by what is checked."""
    claims = tables.pop("claims", [claim()])
    table = audit(write_results(folder, claims, **tables))
    return dict(zip(table["what"], table["follows"], strict=True))


def test_sums_shares_and_figures_printed_twice(tmp_path):
    actual = followed(
        tmp_path,
        sums=[["009", "1", "right", "1 2 3", 6], ["009", "1", "wrong", "1 2 3", 7]],
        claims=[claim("whole"), claim("no whole")],
        figures=[["009", "1", name, "validation", "accuracy", figure] for name, figure in SHARES.items()],
        data=[["009", "cells", "by image", "0 50 50", 6, 0, 3, 3, "", "yes"]],
        twice=[["009", "same", "1", "0.90", "2", "0.9", ""], ["009", "other", "1", "0.90", "2", "0.91", ""]],
    )
    assert actual == {"right": True, "wrong": False, "same": True, "other": False} | {
        "whole, validation accuracy": True,
        "no whole, validation accuracy": False,
    }


def test_precision_and_f1_are_compared_with_the_matrix_of_the_recalls(tmp_path):
    # 8 of 10 negatives and 15 of 20 positives: precision 8 / 13 and 15 / 17.
    good = ["009", "1", "good", 10, 20, "0.6154", "0.8824", "0.8000", "0.7500", "0.7724"]
    actual = followed(
        tmp_path,
        per_class=[
            good,
            [*good[:2], "bad precision", *good[3:5], "0.6254", *good[6:]],
            [*good[:2], "bad", *good[3:9], "0.78"],
        ],
    )
    assert actual == {"good": True, "bad precision": False, "bad": False}


def test_wrong_cases_are_looked_for_in_every_matrix_of_the_network(tmp_path):
    claims = [claim("big_net", claimed="0.90", tp=10, fp=2, tn=187, fn=1)]
    listed = {"big": (2, 1), "ig_n": (1, 0), "net": (1, 2), "t": (3, 0)}  # a paper may list some of its wrong cases
    cases = [["009", "2", network, *counts, ""] for network, counts in listed.items()]
    actual = followed(tmp_path, claims=claims, wrong_cases=cases)
    assert actual.pop("big_net") is False  # accuracy 0.985
    assert actual == {f"wrong cases of {network}": network in ("big", "ig_n") for network in listed}


@pytest.mark.parametrize(("missed_by_one", "fits"), [(6, True), (7, True), (9, False), (20, False)])
def test_images_missed_by_k_models_fit_the_errors_of_each(tmp_path, missed_by_one, fits):
    """Of 14 errors 4 are of the image that all four models miss; at most one image is missed by three.

    Six images missed by one leave 4 errors: two images missed by two. Seven leave 3: one missed by three. Nine leave 1,
    and no image is missed by two or three.
    """
    errors = {"a": 2, "b": 4, "c": 4, "d": 4}
    rows = [
        ["009", "1", name, 100, 100, "1", "1", f"{1 - wrong / 100:.2f}", "1.00", "1"] for name, wrong in errors.items()
    ]
    actual = followed(tmp_path, per_class=rows, missed=[["009", "2", "a b c d", missed_by_one, 1, 0, 1]])
    assert actual["four models with 2, 4, 4, 4 errors"] is fits


def test_only_papers_that_there_are(tmp_path):
    write_results(tmp_path, [claim()], sums=[["009", "1", "ours", "1", 1], ["010", "1", "other", "1", 1]])
    assert audit(tmp_path, ("009",))["what"].tolist() == ["ours"]
    with pytest.raises(UserError, match="no claims of paper 007"):
        audit(tmp_path, ("007",))
    (tmp_path / "claims" / "sums.csv").unlink()
    with pytest.raises(UserError, match="no printed figures at"):
        audit(tmp_path)


def test_the_papers():
    """Paper 001: two rows of its table; 002 and 003: sums; 004: one model with two results, both of them sound."""
    table = audit(ROOT / "results")
    failed = table[~table["follows"]]
    rows = failed[failed["kind"] == "confusion matrix"].set_index("what")["remark"].to_dict()
    assert rows == {"karyogram_vgg16": "116 of 139 test images", "karyogram_vgg16_last2": "accuracy 0.957"}
    assert set(failed.loc[failed["kind"] == "sum", "recomputed"]) == {"69,730", "13,820"}
    assert failed.loc[failed["paper"] == "004", "printed"].tolist() == ["0.9183; 0.9108"]
    vgg = table[(table["kind"] == "precision and recall") & (table["what"] == "vgg16_cut_block5")]
    assert vgg["follows"].all()
    assert [text.split(":")[0] for text in vgg["recomputed"]] == [
        "1,370 TP, 106 FP, 590 TN, 67 FN",
        "1,331 TP, 85 FP, 611 TN, 106 FN",
    ]
    # 4.4 says that its tables list some of the wrong cases: as many as a matrix has, or fewer, are no contradiction.
    listed = table[table["kind"] == "wrong cases"].set_index("section")
    assert listed["follows"].to_dict() == {"table 4.1": True, "table 4.2": True}

"""The folder of approved karyotypes: a function of the decisions, whatever happens to the server."""

import os
import re
from collections import Counter

import cv2
import pandas as pd
import pytest

from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import CellDecisions, DecisionLog
from cytogenetics.review.reviewed_case import ReviewedCase
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv
from packages.cytogenetics.tests.review.bundles import MALE, decision, write_cells


def approve(cell, changes=None, **values):
    classes = {f"{cell}/{row:02d}.png": kind for row, kind in enumerate(MALE)} | (changes or {})
    return decision("approve", cell=cell, classes=classes, **{"to": "46,XY", **values})


def publish(output, *decisions, path="decisions.jsonl"):
    log = DecisionLog(output / path)
    for one in decisions:
        log.append(one)
    CellReview(output).publish(log)
    log.close()


def test_what_is_approved_is_a_table_a_picture_and_a_sheet(output):
    publish(
        output,
        decision("turn", cell="c1", image="c1/00.png"),
        decision("note", cell="c1", text="=short <bands>"),
        approve("c1", {"c1/02.png": "mar", "c1/04.png": "none"}, to="45,XY,-2,-3,+mar"),
        approve("c1", reader="reader2"),
        decision("reject", cell="c0", text="two cells <in one>"),
    )
    table = read_csv(output / "approved" / "approved.csv", keep_default_na=False)
    assert table["karyotype"].tolist() == ["45,XY,-2,-3,+mar", "46,XY"]
    assert table["changes"].tolist() == ["00.png: turned; 02.png: 2 to mar; 04.png: 3 to none", ""]
    assert table["note"].tolist() == ["=short <bands>", ""]
    pictures = [cv2.imread(str(output / "approved" / name)) for name in table["karyogram"]]
    assert pictures[0].shape[0] > pictures[1].shape[0]  # a row for the marker
    page = (output / "approved" / "index.html").read_text()
    assert page.count('class="sheet"') == 2
    assert "<li><strong>mar</strong> 02</li>" in page
    assert "&lt;bands&gt;" in page
    states = re.findall(r'<th scope="row">([^<]+)</th><td>([^<]*)<', page)
    assert states[0] == ("case / c0", "rejected by reader1: two cells &lt;in one&gt;")
    assert states[1] == ("case / c1", "approved by reader1: 45,XY,-2,-3,+mar; approved by reader2: 46,XY")


def test_what_is_undone_is_gone_again(output):
    publish(output, approve("c0"))
    assert len(list((output / "approved").glob("*.png"))) == 1
    (output / "approved" / ".approved-q1.csv").touch()  # of a server that was killed while it wrote
    publish(output, decision("undo", cell="c0"))
    names = {path.name for path in (output / "approved").iterdir()}
    assert names == {"approved.csv", "cases.csv", "index.html"}
    assert read_csv(output / "approved" / "approved.csv").empty


def test_a_changed_approval_draws_anew_and_the_same_one_does_not(output):
    publish(output, approve("c0"))
    (picture,) = (output / "approved").glob("*.png")
    before = picture.read_bytes()
    picture.write_bytes(b"kept")
    os.utime(picture, (picture.stat().st_atime, pd.Timestamp("2026-01-01T00:00:00+00:00").timestamp()))
    publish(output)
    assert picture.read_bytes() == b"kept"
    later = approve("c0", {"c0/00.png": "2"}, time="2026-01-01T00:00:01+00:00")
    publish(output, later)
    assert picture.read_bytes() not in (b"kept", before)


def test_another_file_of_decisions_has_its_own_folder(output):
    publish(output, approve("c0"), path="second.jsonl")
    assert (output / "second.approved" / "approved.csv").is_file()
    assert not (output / "approved").exists()


def signed(output, reader="reader1"):
    """The reports and rows of the cases of a reader, after "sign the case" in c0."""
    log = DecisionLog(output / "decisions.jsonl")
    review = CellReview(output)
    log.append(review.complete(decision("sign", reader=reader), log.states))
    review.publish(log)
    log.close()
    return read_csv(output / "approved" / "cases.csv")


def test_a_signed_mosaic_is_a_report_and_a_row_until_a_cell_is_changed(tmp_path):
    output = write_cells(tmp_path / "out", 4).output
    publish(
        output,
        approve("c0", {"c0/44.png": "Y"}, to="47,XYY"),  # a further Y; an X less in two cells is no clone
        approve("c1", {"c1/44.png": "Y"}, to="47,XYY"),
        approve("c2"),
        decision("reject", cell="c3", text="two <cells>"),
    )
    (row,) = signed(output).to_dict("records")
    assert (row["case"], row["karyotype"], row["cells"]) == ("case", "47,XYY[2]/46,XY[1]", 3)
    assert (row["reader"], row["report"]) == ("reader1", "case.html")
    report = (output / "approved" / "case.html").read_text()
    cells = "3 of 4 analysed and approved by the reader: 47,XYY[2] 46,XY[1]"
    for words in (row["karyotype"], cells, "rejected: two &lt;cells&gt;", "no structural", "signed by reader1"):
        assert words in report
    assert "case.html" in (output / "approved" / "index.html").read_text()
    publish(output, decision("turn", cell="c2", image="c2/00.png"))
    assert read_csv(output / "approved" / "cases.csv").empty
    assert not (output / "approved" / "case.html").exists()
    publish(output, approve("c2", time="2026-01-02T00:00:00+00:00"))  # of another picture than the signed one
    assert read_csv(output / "approved" / "cases.csv").empty


def test_a_signed_cell_with_a_change_of_its_own_is_counted_as_no_normal_cell(output):
    publish(output, approve("c0", {"c0/04.png": "X"}, to="46,XXY,-3"), approve("c1"))
    (row,) = signed(output).to_dict("records")
    assert (row["karyotype"], row["cells"], row["left_out"]) == ("46,XY", 2, "46,XXY,-3 in 1")
    assert "2 of 2 analysed and approved by the reader: 46,XY[1]<" in (output / "approved" / "case.html").read_text()
    said = CellReview(output).groups(DecisionLog(output / "decisions.jsonl").states, "reader1")["case"]["approved"]
    assert said == "46,XY (1 of 2 cells); not clonal: 46,XXY,-3 in 1"
    publish(output, approve("c1", {"c1/44.png": "none"}, to="45,Y"))
    with pytest.raises(UserError, match="approve a further cell, or correct one: none is 46,XY"):
        signed(output)


def question(predicted, *changes, **of_cells):
    """What is asked before a case of approved cells is signed, whose classes are changed: its lines."""
    states = {}
    for number, changed in enumerate(changes):
        iscn = name_karyotype(Counter((approve("c", changed).classes or {}).values())).iscn
        states[f"a{number}"] = CellDecisions([approve("c", changed, to=iscn)])
    return ReviewedCase("case", "reader1", states).question(predicted, of_cells).splitlines()


def test_signing_asks_where_a_change_is_in_too_few_cells_a_cell_says_another_karyotype_or_nothing_is_settled():
    lost = {"c/44.png": "none"}
    assert question("46,XY: 0.99; settled", {}) == question("", {}) == question("46,XY") == []
    assert question("45,Y; settled", lost, lost, lost) == []
    assert question("47,XYY, 0.9; settled", {}) == ["Predicted was 47,XYY, 0.9; settled.", "Sign 46,XY?"]
    weak, sign = question("45,Y: 46,XY 0.9; settled", lost, lost)
    assert (weak.startswith("45,Y rests on 2 cells; a clone needs "), sign) == (True, "Sign 45,Y?")
    assert question("46,XY", lost)[1:] == ["Predicted was 46,XY.", "Sign 45,Y?"]
    doubt = "46,XY: probability 0.77; next 47,XY,+21 0.22; more cells needed (about 4); settled too late"
    assert question(doubt, {}) == [f"Predicted was {doubt}.", "Sign 46,XY?"]
    lines = question("46,XY; settled", {}, {"c/04.png": "X"}, w1="46,XY", w2="45,XY,-10", w3=None)
    assert lines == ["a1 is approved as 46,XXY,-3.", "w2 is not approved and says 45,XY,-10.", "Sign 46,XY?"]


def test_a_case_is_signed_once_its_changed_cells_are_approved_or_rejected(output):
    with pytest.raises(UserError, match="approve a cell of the case first"):
        signed(output)
    publish(output, approve("c0"), decision("turn", cell="c1", image="c1/00.png"))
    with pytest.raises(UserError, match="approve or reject c1 first"):
        signed(output)
    publish(output, approve("c1"), approve("c0", reader="reader2"))
    assert len(signed(output)) == 1
    assert sorted(signed(output, "reader2")["report"]) == ["case.html", "case~2.html"]
    publish(output, decision("undo"))
    assert signed(output, "reader2")["reader"].tolist() == ["reader2"]

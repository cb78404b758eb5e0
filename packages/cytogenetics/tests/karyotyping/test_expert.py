"""Classes that an expert has fixed."""

from pathlib import Path

import pytest

from cytogenetics.images.cells import Cell, Cells
from cytogenetics.karyotyping.expert import ExpertDecisions
from datamodules.inference.image_files import ImageFile
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.bundles import decision, write_cells
from tests.helpers.chromosomes import write_table


def cell(name, *files, case=None):
    return Cell(name, case, tuple(ImageFile(Path(file), file, ()) for file in files))


CELLS = [cell("c1", "c1/a.png", "c1/b.png", "same.png"), cell("c2", "c2/a.png", "same.png", case="p")]


def read_fixed(file, cells=CELLS):
    return ExpertDecisions.read(file).classes_of(Cells(tuple(cells), {}))


def read_drawn(file):
    return ExpertDecisions.read(file).drawn


def fixed(tmp_path, rows):
    return read_fixed(write_table(tmp_path / "fixed.csv", rows))


def test_without_a_table_nothing_is_fixed():
    assert read_fixed(None) == [{}, {}]


@pytest.mark.parametrize(
    ("text", "kind"), [("1", "1"), ("24", "Y"), ("chr07", "7"), ("5.0", "5"), ("none", "none"), ("MAR", "mar")]
)
def test_classes_by_file(tmp_path, text, kind):
    assert fixed(tmp_path, [{"file": "c2/a.png", "class": text}]) == [{}, {"c2/a.png": kind}]


def test_a_table_of_all_chromosomes_fixes_by_its_column_fixed(tmp_path):
    rows = [
        {"case": "", "cell": "c1", "file": "c1/a.png", "class": "4", "fixed": ""},
        {"case": "p", "cell": "c2", "file": "same.png", "class": "4", "fixed": "5"},
    ]
    assert fixed(tmp_path, rows) == [{}, {"same.png": "5"}]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([{"file": "c1/a.png"}], "class"),
        ([{"class": "1"}], "file"),
        ([{"file": "c3/a.png", "class": "1"}], "c3/a.png"),
        ([{"file": "same.png", "class": "1"}], "same.png is in 2 cells"),
        ([{"file": "c1/a.png", "cell": "c2", "class": "1"}], "c2 / c1/a.png"),
        ([{"file": "c1/a.png", "class": "25"}], "class 25"),
        ([{"file": "c1/a.png", "class": text} for text in ("X", "23", "7")], "row 4: c1/a.png has another class"),
        ([{"file": "c1/a.png", "class": "1", "fixed": ""}], "fixes nothing"),
    ],
)
def test_unfit_tables_are_errors(tmp_path, rows, value):
    with pytest.raises(UserError, match=value):
        fixed(tmp_path, rows)


def test_decisions_on_other_pictures_or_of_no_known_output_fix_nothing(tmp_path, capsys):
    output = tmp_path / "out"
    own = decision("move", image="a.png", to="3", model=write_cells(output).identity("c0"))
    path = decided(output, own, decision("move", image="b.png", to="4"))
    assert ExpertDecisions.read(path).rows["file"].tolist() == ["a.png"]
    assert "1 decision on other pictures or predictions left out, of c0;" in capsys.readouterr().out
    with pytest.raises(UserError, match="cannot be compared with the pictures"):
        ExpertDecisions.read(path.rename(tmp_path / "moved.jsonl"))


@pytest.fixture
def accepting(monkeypatch):
    """Decisions are used whatever they are on."""
    monkeypatch.setattr("karyocyte.common.checksums._accepting", True)


def decided(tmp_path, *decisions):
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"".join(one.line + b"\n" for one in decisions))
    return path


@pytest.mark.usefixtures("accepting")
def test_decisions_of_a_review_as_they_are(tmp_path):
    path = decided(
        tmp_path,
        decision("move", cell="c1", image="c1/a.png", to="3", from_class="4"),
        decision("approve", cell="p.c2", to="46,XX", classes={"c2/a.png": "mar", "same.png": "none"}),
    )
    assert read_fixed(path) == [{"c1/a.png": "3"}, {"c2/a.png": "mar", "same.png": "none"}]


@pytest.mark.usefixtures("accepting")
@pytest.mark.parametrize(
    ("other", "value"),
    [
        ({"cell": "c9"}, "has reviewed c9, which is none of the cells"),
        ({"image": "c1/z.png"}, "c1 / c1/z.png is in none of the cells"),
        ({"reader": "reader2", "to": "5"}, "readers differ on c1/a.png"),
    ],
)
def test_decisions_that_do_not_fit(tmp_path, other, value):
    move = {"cell": "c1", "image": "c1/a.png", "to": "3", "from_class": "4"}
    path = decided(tmp_path, decision("move", **move), decision("move", **{**move, **other}))
    with pytest.raises(UserError, match=value):
        read_fixed(path)


BOX = (0.0, 0.0, 20.0, 20.0)
ADD = {"cell": "c1", "boxes": [BOX]}


@pytest.mark.usefixtures("accepting")
def test_boxes_that_readers_have_drawn(tmp_path):
    add = decision("add", **ADD)
    (name,) = add.drawn
    named = decision("move", cell="c1", image=name, to="3")
    cut = decision("cut", cell="c1", image="c1/a.png", boxes=[BOX, BOX], points=[(0.0, 0.0), (9.0, 9.0)])
    rejected = [decision("add", **{**ADD, "cell": "p.c2"}), decision("reject", cell="p.c2", text="blurred")]
    drawn = read_drawn(decided(tmp_path, add, named, cut, *rejected))
    assert {stem: list(of_cell.boxes) for stem, of_cell in drawn.items()} == {"c1": [name, *cut.drawn]}
    assert drawn["c1"].removed == {"c1/a.png"}
    assert read_drawn(None) == {}


@pytest.mark.usefixtures("accepting")
def test_decisions_that_only_draw_fix_no_class_and_are_no_error(tmp_path):
    assert read_fixed(decided(tmp_path, decision("add", **ADD))) == [{}, {}]
    with pytest.raises(UserError, match="fixes nothing"):
        read_fixed(decided(tmp_path, decision("note", cell="c1", text="good")))


@pytest.mark.usefixtures("accepting")
def test_what_is_drawn_and_then_no_chromosome_is_not_fixed(tmp_path):
    add = decision("add", **ADD)
    moves = [decision("move", cell="c1", image=name, to="none") for name in (*add.drawn, "c1/a.png")]
    assert read_fixed(decided(tmp_path, add, *moves)) == [{"c1/a.png": "none"}, {}]


@pytest.mark.usefixtures("accepting")
def test_readers_who_have_drawn_different_boxes_are_an_error(tmp_path):
    other = decision("move", cell="c1", reader="reader2", image="c1/a.png", to="3")
    note = decision("note", cell="c1", reader="reader3", text="good")
    with pytest.raises(UserError, match="readers have drawn different boxes in c1"):
        read_drawn(decided(tmp_path, decision("add", **ADD), note, other))
    assert len(read_drawn(decided(tmp_path, decision("add", **ADD), note))) == 1


@pytest.mark.usefixtures("accepting")
def test_what_is_rejected_fixes_nothing(tmp_path):
    move = decision("move", cell="c1", image="c1/a.png", to="3", from_class="4")
    with pytest.raises(UserError, match="fixes nothing"):
        read_fixed(decided(tmp_path, move, decision("reject", cell="c1", text="blurred")))

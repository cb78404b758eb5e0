"""A CSV with a row per image."""

import re
import unicodedata

import pytest

from karyocyte.common.errors import UserError
from tests.datamodules.sources.test_sources import COLUMNS, ROWS
from tests.helpers.images import cell_image, write_image, write_table
from tests.helpers.sources import scan, source_config


def scan_table(data_dir, cache, **keys):
    return scan(source_config("table", **{"positive_class": "NA", **COLUMNS, **keys}), data_dir, cache)


def test_rows_become_images(tmp_path):
    manifest = scan_table(write_table(tmp_path / "data", ROWS), tmp_path / "cache")
    frame = manifest.frame
    assert frame["label"].tolist() == ["01", "NA", "01", None]
    assert frame["subject"].tolist() == ["p1", None, "p2", "p2"]
    assert frame["part"].tolist() == ["train", "train", "test", None]
    assert frame["group"].tolist() == ["Wright", None, "MGG", "MGG"]
    assert frame["path"].tolist() == frame["image_id"].tolist() == ["x/1.png", "x/2.png", "3.png", "4.png"]
    assert manifest.notes == ("1 rows of labels.csv have no label and are not used",)
    assert scan_table(tmp_path / "data", tmp_path / "cache", group_column=None).frame["group"].isna().all()


def test_paths_are_relative_to_the_table_and_listed_below_data_dir(tmp_path):
    write_table(tmp_path / "data" / "set", ROWS)
    manifest = scan_table(tmp_path / "data", tmp_path / "cache", file="set/labels.csv")
    assert manifest.frame[["image_id", "path"]].iloc[0].tolist() == ["x/1.png", "set/x/1.png"]
    assert manifest.file(0).is_file()
    absolute = scan_table(None, tmp_path / "cache", file=str(tmp_path / "data" / "set" / "labels.csv"))
    assert absolute.frame["path"].iloc[0] == "x/1.png"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "x/1.png"}, r"row 4: x/1.png is in row 2"),
        ({"path": "x/../x/1.png"}, r"row 4: .* is in row 2"),
        ({"label": "01|NA"}, r"the label 01\|NA names several classes"),
        ({"path": ""}, r"row 4: the path is empty"),
        ({"path": "../outside.png"}, r"row 4: .*outside.png lies outside"),
    ],
)
def test_a_wrong_path_is_named_with_its_row(tmp_path, change, message):
    write_image(tmp_path / "outside.png", cell_image(1))
    root = write_table(tmp_path / "data", [*ROWS[:2], {**ROWS[2], **change}])
    with pytest.raises(UserError, match=message):
        scan_table(root, tmp_path / "cache")


def test_a_missing_file_is_named_with_its_row_whatever_blank_lines_there_are(tmp_path):
    root = write_table(tmp_path / "data", ROWS)
    lines = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([*lines[:2], "", *lines[2:], "", ""]))
    assert len(scan_table(root, tmp_path / "cache").frame) == 4
    (root / "3.png").rename(root / "3.PNG")
    with pytest.raises(UserError, match=r"labels.csv, row 5: no file .*3.png .there is 3.PNG"):
        scan_table(root, tmp_path / "cache")


@pytest.mark.parametrize(
    "word", ["n/a", "#REF!", "#VALUE!", "#name?", "#DIV/0!", "#NV", "#GETTING_DATA", "#HIÁNYZIK", "#BEZUG!", "Err:502"]
)
def test_words_for_what_is_unknown_and_errors_of_spreadsheets_are_no_classes(tmp_path, word):
    rows = [{**row, "label": label} for row, label in zip(ROWS, ("01", "NA", word, "?"), strict=True)]
    manifest = scan_table(write_table(tmp_path / "data", rows), tmp_path / "cache")
    assert manifest.frame["label"].tolist() == ["01", "NA", None, None]  # the class that is named is meant
    words = ", ".join(sorted(("?", word)))
    assert manifest.notes[0].startswith(f"2 rows of labels.csv have no label, or one for what is unknown ({words}),")


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("split", "train val test", r"test 1.* `data.part_column=who split.test=test split.given_validation=val`"),
        ("is_train", "1 0 1", "data.part_column=who"),
        ("istrain", "1 0 1", "data.part_column=who"),
        ("hold-out", "yes no no", "data.part_column=who"),
        ("mode", "development evaluation development", "data.part_column=who"),
        ("cv", "0 1 4", "data.part_column=who"),
        ("trainValSplit", "a b a", "data.part_column=who"),
        ("test_flag", "n y n", "data.part_column=who"),
        ("invalid", "0 1 0", None),
        ("strain", "a b a", None),
        ("k", "Training Testing Training", "split.test=Testing"),
        ("fold", "1 2 3", "data.part_column=who"),
        ("fold", "1 1 1", None),
    ],
)
def test_a_column_of_parts_that_is_not_used_is_named(tmp_path, column, values, words):
    rows = [{**row, column: value} for row, value in zip(ROWS, values.split(), strict=False)]
    root = write_table(tmp_path / "data", rows)
    notes = scan_table(root, tmp_path / "cache", part_column=None, group_column=None).notes
    named = [note for note in notes if note.startswith(f"column {column} (")]
    assert len(named) == (words is not None)
    if words:
        assert re.search(words.replace("who", column), named[0])


LINES = ["path,label,subject", "a/1.png,x,ä", "a/2.png,y,p2"]


def _written(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


# What the table is written as, and how many notes there are.
OTHER_TABLES = {
    "semicolon": (_written("\n".join(LINES).replace(",", ";")), 0),
    "tabs, UTF-16": (_written("\n".join(LINES).replace(",", "\t"), "utf-16"), 0),
    "with a mark": (_written("\n".join(LINES), "utf-8-sig"), 0),
    "Windows-1252": (_written("\n".join(LINES), "cp1252"), 1),
    "numpy": (_written("# exported today, by hand\n# " + "\n".join(LINES)), 0),
    "comments": (_written("# exported today, by hand\n#\n" + "\n".join(LINES)), 0),
    "Excel": (_written("sep=;\r\n" + "\r\n".join(LINES).replace(",", ";")), 0),
    "Windows paths": (_written("\n".join(LINES).replace("/", "\\")), 0),
    "blanks": (_written("\n".join(LINES).replace("path,", '"path" ,')), 0),
    "|": (_written("\n".join(LINES).replace(",", "|")), 0),
    "macOS": (_written("\n\n" + "\r".join(LINES)), 0),
    "columns that may be the same": (_written("path,label,subject,Label\na/1.png,x,ä,\na/2.png,y,p2,z"), 1),
}


@pytest.mark.parametrize(("data", "notes"), OTHER_TABLES.values(), ids=OTHER_TABLES)
def test_tables_of_other_programs_are_read_as_what_they_are(tmp_path, data, notes):
    for number in (1, 2):
        write_image(tmp_path / "data" / "a" / f"{number}.png", cell_image(number))
    (tmp_path / "data" / "labels.csv").write_bytes(data)
    keys = {"positive_class": "x", "subject_column": "subject", "part_column": None, "group_column": None}
    manifest = scan_table(tmp_path / "data", tmp_path / "cache", **keys)
    assert manifest.frame["path"].tolist() == ["a/1.png", "a/2.png"]
    assert manifest.frame["subject"].tolist() == ["ä", "p2"]
    assert len(manifest.notes) == notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_written("path,label,label\na/1.png,x,y"), "two columns label"),
        (_written("my images\n" + "\n".join(LINES)), "its first line names the columns"),
        (_written("\n".join(LINES), "utf-32"), "no text file"),
        (_written("\n".join(LINES).replace(",", " ")), "no column path, its first line names path label subject"),
        (_written("\n".join(LINES[1:])), "no column path, its first line names a/1.png, x, ä"),
        (_written("image,x,y\na/1.png,1.0,0.0"), "its first line names image, x, y: set data.path_column$"),
        (_written("path,x,y\na/1.png,1.0,0.0"), "write one column with the class in place of x, y, which say 0 and 1$"),
        (_written("path,label,who,part,stain\na/1.png,nan,,,"), r"no label, or one for .* \(nan\),.* another name"),
    ],
)
def test_tables_that_may_be_read_in_two_ways_are_refused(tmp_path, data, message):
    write_image(tmp_path / "data" / "a" / "1.png", cell_image(1))
    (tmp_path / "data" / "labels.csv").write_bytes(data)
    with pytest.raises(UserError, match=message):
        scan_table(tmp_path / "data", tmp_path / "cache", positive_class="x")


def test_accents_in_paths_are_found_as_macos_and_others_write_them(tmp_path):
    for number, form in enumerate(("NFC", "NFD")):
        write_image(tmp_path / "data" / unicodedata.normalize(form, f"ä{number}.png"), cell_image(number))
    rows = "path,label\n" + unicodedata.normalize("NFD", "ä0.png,x\n") + unicodedata.normalize("NFC", "ä1.png,y\n")
    (tmp_path / "data" / "labels.csv").write_text(rows, encoding="utf-8")
    keys = {"positive_class": "x", "subject_column": None, "part_column": None, "group_column": None}
    assert len(scan_table(tmp_path / "data", tmp_path / "cache", **keys).frame) == 2

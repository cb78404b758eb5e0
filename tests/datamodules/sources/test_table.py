"""A CSV with a row per image."""

import pytest

from common.errors import UserError
from datamodules.sources import scan
from datamodules.sources.table import TableConfig
from tests.helpers.images import cell_image, write_image, write_table

ROWS = [
    {"path": "x/1.png", "label": "01", "who": "p1", "part": "train"},
    {"path": "x/2.png", "label": "NA", "who": "", "part": "train"},
    {"path": "3.png", "label": "01", "who": "p2", "part": "test"},
    {"path": "4.png", "label": "", "who": "p2", "part": ""},
]
CONFIG = TableConfig(source="table", positive_class="NA", subject_column="who", part_column="part")


def test_rows_become_images(tmp_path):
    root = write_table(tmp_path / "data", ROWS)
    manifest = scan(CONFIG, str(root), tmp_path / "cache")
    assert manifest.classes == ("01", "NA")
    assert manifest.frame["label"].tolist() == ["01", "NA", "01", None]
    assert manifest.frame["subject"].tolist() == ["p1", None, "p2", "p2"]
    assert manifest.frame["part"].tolist() == ["train", "train", "test", None]
    assert manifest.frame["path"].tolist() == ["x/1.png", "x/2.png", "3.png", "4.png"]
    assert manifest.notes == ("1 rows of labels.csv have no label and are not used",)


def test_a_column_may_say_how_an_image_came_about(tmp_path):
    rows = [{**row, "stain": stain} for row, stain in zip(ROWS, ("Wright", "", "MGG", "MGG"), strict=True)]
    root = write_table(tmp_path / "data", rows)
    config = CONFIG.model_copy(update={"group_column": "stain"})
    assert scan(config, str(root), tmp_path / "cache").frame["group"].tolist() == ["Wright", None, "MGG", "MGG"]
    assert scan(CONFIG, str(root), tmp_path / "cache").frame["group"].tolist() == [None] * 4
    config = CONFIG.model_copy(update={"group_column": "scanner"})
    with pytest.raises(UserError, match="no column scanner: set data.group_column to one of path, label, who, part"):
        scan(config, str(root), tmp_path / "cache")


def test_paths_are_below_the_tables_folder_and_are_told_below_data_dir(tmp_path):
    write_table(tmp_path / "data" / "set", ROWS)
    config = CONFIG.model_copy(update={"file": "set/labels.csv"})
    manifest = scan(config, str(tmp_path / "data"), tmp_path / "cache")
    assert manifest.frame["path"].tolist()[0] == "set/x/1.png"
    assert manifest.file(0).is_file()
    absolute = CONFIG.model_copy(update={"file": str(tmp_path / "data" / "set" / "labels.csv")})
    assert scan(absolute, None, tmp_path / "cache").frame["path"].tolist()[0] == "x/1.png"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "x/1.png"}, r"row 4: x/1.png is in row 2 already"),
        ({"path": "x/../x/1.png"}, r"row 4: .* is in row 2 already"),
        ({"path": ""}, r"row 4: the path is empty"),
        ({"path": "../outside.png"}, r"row 4: .*outside.png lies outside"),
    ],
)
def test_a_wrong_path_is_named_with_its_row(tmp_path, change, message):
    write_image(tmp_path / "outside.png", cell_image(1))
    root = write_table(tmp_path / "data", [*ROWS[:2], {**ROWS[2], **change}])
    with pytest.raises(UserError, match=message):
        scan(CONFIG, str(root), tmp_path / "cache")


def test_a_missing_file_is_named_with_its_row_whatever_blank_lines_there_are(tmp_path):
    root = write_table(tmp_path / "data", ROWS)
    table = root / "labels.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:2], "", *lines[2:], "", ""]))
    assert len(scan(CONFIG, str(root), tmp_path / "cache").frame) == 4
    (root / "3.png").unlink()
    with pytest.raises(UserError, match=r"labels.csv, row 5: no file .*3.png"):
        scan(CONFIG, str(root), tmp_path / "cache")


def test_a_missing_column_is_named_with_the_columns_there_are(tmp_path):
    root = write_table(tmp_path / "data", ROWS)
    config = CONFIG.model_copy(update={"subject_column": "patient"})
    with pytest.raises(UserError, match="no column patient: set data.subject_column to one of path, label, who"):
        scan(config, str(root), tmp_path / "cache")


def test_a_missing_or_empty_table_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "other.txt").write_text("x")
    with pytest.raises(UserError, match="no table .*labels.csv: set data.file"):
        scan(CONFIG, str(tmp_path / "data"), tmp_path / "cache")
    (tmp_path / "data" / "labels.csv").write_text("path,label\n")
    with pytest.raises(UserError, match="has no rows"):
        scan(CONFIG, str(tmp_path / "data"), tmp_path / "cache")
    (tmp_path / "data" / "labels.csv").write_text("")
    with pytest.raises(UserError, match="cannot be read as CSV"):
        scan(CONFIG, str(tmp_path / "data"), tmp_path / "cache")

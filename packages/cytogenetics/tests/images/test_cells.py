"""Cells of unlabelled chromosomes: folders, zip files, tables."""

import shutil

import pytest

from cytogenetics.images.cells import find_cells
from karyocyte.common.errors import UserError
from tests.helpers.chromosomes import bar, write_table
from tests.helpers.images import write_image


def write_files(root, *paths):
    for number, path in enumerate(paths):
        write_image(root / path, bar(1 + number % 24))
    return root


def found(place, tmp_path):
    """Return {(case, cell): names of the files} and the number of other files."""
    cells = find_cells(place, tmp_path / "cache", progress=False)
    return {(cell.case, cell.name): [file.name for file in cell.files] for cell in cells.cells}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["b.png", "a.png"], {(None, "root"): ["a.png", "b.png"]}),
        (
            ["cell2/a.png", "cell10/a.png", "cell2/b.png"],
            {(None, "cell2"): ["cell2/a.png", "cell2/b.png"], (None, "cell10"): ["cell10/a.png"]},
        ),
        (["p/c1/a.png", "q/c1/a.png"], {("p", "c1"): ["p/c1/a.png"], ("q", "c1"): ["q/c1/a.png"]}),
        (["x/p/c/a.png", "a.png"], {(None, "root"): ["a.png"], ("x/p", "c"): ["x/p/c/a.png"]}),
    ],
)
def test_folders_are_cells_and_those_above_are_cases(tmp_path, paths, expected):
    assert found(write_files(tmp_path / "root", *paths), tmp_path) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["c1/a.png", "c2/a.png"], [(None, "c1"), (None, "c2")]),
        (["cells/c1/a.png", "cells/c2/a.png"], [(None, "c1"), (None, "c2")]),
        (["cells/p/c1/a.png", "cells/q/c1/a.png"], [("p", "c1"), ("q", "c1")]),
        (["p/c1/a.png", "q/c1/a.png"], [("p", "c1"), ("q", "c1")]),
        (["a.png"], [(None, "packed")]),
    ],
)
def test_a_folder_that_holds_all_cells_of_a_zip_is_no_case(tmp_path, paths, expected):
    root = write_files(tmp_path / "root", *paths)
    shutil.make_archive(tmp_path / "packed", "zip", root)
    assert list(found(tmp_path / "packed.zip", tmp_path)) == expected


def test_table_names_cells_and_cases(tmp_path):
    write_files(tmp_path, "a.png", "p/c.png")
    rows = [{"path": "a.png", "cell_id": "2", "case_id": ""}, {"path": "no/b.png", "cell_id": "10", "case_id": "p"}]
    rows += [{"path": "p\\c.png", "cell_id": "11", "case_id": "p"}]
    table = write_table(tmp_path / "t.csv", rows)
    assert found(table, tmp_path) == {(None, "2"): ["a.png"], ("p", "10"): ["no/b.png"], ("p", "11"): ["p\\c.png"]}
    assert find_cells(table, tmp_path).cells[2].files[0].path.is_file()


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([{"file": "a.png", "cell_id": "1"}], "path"),
        ([{"path": "a.png"}], "cell_id"),
        ([{"path": "a.png", "cell_id": "1"}, {"path": "b.png", "cell_id": ""}], "row 3"),
        ([{"path": "", "cell_id": "1"}], "row 2"),
        ([{"path": "t.csv", "cell_id": "1", "case_id": case} for case in ("p", "")], "row 3.*case_id"),
        ([{"path": path, "cell_id": path} for path in ("a.png", "./a.png")], "row 3.*earlier"),
        ([{"path": path, "cell_id": "1"} for path in ("no/b.png",)], "no/b.png"),
    ],
)
def test_unfit_table_is_an_error(tmp_path, rows, value):
    with pytest.raises(UserError, match=value):
        found(write_table(tmp_path / "t.csv", rows), tmp_path)


@pytest.mark.parametrize(
    ("names", "images"),
    [(range(1, 25), 1), (range(1, 23), 71), ([*range(1, 23), "X", "Y"], 46), ([f"chr{n}" for n in range(1, 23)], 46)],
)
def test_class_folders_are_no_cells(tmp_path, names, images):
    with pytest.raises(UserError, match="folder per class"):
        found(touch_images(tmp_path / "root", names, images), tmp_path)


@pytest.mark.parametrize("last", [21, 22, 24])
def test_numbered_folders_with_the_images_of_a_cell_are_cells(tmp_path, last):
    root = touch_images(tmp_path / "root", range(1, last + 1), 46)
    cells = find_cells(root, tmp_path / "cache", progress=False)
    assert len(cells.cells) == last


def touch_images(root, names, images):
    for name in names:
        (root / str(name)).mkdir(parents=True)
        for number in range(images):
            (root / str(name) / f"{number}.png").touch()
    return root


def test_no_image_and_a_single_file_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", write_image(tmp_path / "a.png", bar(1))):
        with pytest.raises(UserError, match=place.name):
            found(place, tmp_path)


def test_links_to_cells_are_followed_only_where_it_is_said(tmp_path):
    for name in ("cells/one", "outside"):
        write_image(tmp_path / name / "a.png", bar(1))
    (tmp_path / "cells" / "two").symlink_to(tmp_path / "outside")
    closed = find_cells(tmp_path / "cells", tmp_path / "cache")
    assert len(closed.cells) == 1
    assert closed.others == {"link out of the folder": 1}
    assert len(find_cells(tmp_path / "cells", tmp_path / "cache", follow_links=True).cells) == 2


def test_names_that_are_not_utf8_are_written_as_escapes(tmp_path):
    root = write_files(tmp_path / "root", "p\udce9/c\udce9/a.png")
    assert list(found(root, tmp_path)) == [("p\\xe9", "c\\xe9")]

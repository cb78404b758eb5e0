"""Corrupted cells: what their files show, and how the karyotypes that come out are counted."""

from collections import Counter

import cv2
import pandas as pd
import pytest

from benchmarks import corruptions
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import class_of
from tests.helpers.chromosomes import write_chromosomes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four cases of two cells each, dark on white and bright on black in turn."""
    return write_chromosomes(tmp_path_factory.mktemp("corrupted") / "data", cases=4, cells=2)


@pytest.fixture(scope="module")
def table(data):
    labels = pd.read_csv(data / "labels.csv")
    classes = labels["class"].astype(str).map(class_of)
    return labels.assign(path=labels["path"].map(data.joinpath).map(str), **{"class": classes})


@pytest.fixture(scope="module")
def sample(table):
    return corruptions.normal_cells(table, 12)


def test_normal_cells_are_drawn_one_of_each_case(table, sample):
    assert [len(crops) for crops, _ in sample] == [46] * 4
    assert all(Counter(label for _, label in crops)["X"] == 1 for crops, _ in sample)
    without_21 = table.drop(table.index[(table["cell_id"].isin(["case0.0", "case0.1"])) & (table["class"] == "21")][:3])
    assert len(corruptions.normal_cells(without_21, 12)) == 3
    assert len(corruptions.normal_cells(table, 2)) == 2
    with pytest.raises(UserError, match="fewer than two cases"):
        corruptions.normal_cells(table[table["case_id"] == "case0"], 12)


def files_of(name, sample):
    """Return the areas and labels of the files of a corrupted cell."""
    (crops, _), (others, _) = sample[:2]
    stranger = next(crop for crop in others if crop[1] != crops[0][1])
    corrupted = corruptions.CORRUPTIONS[name](crops, stranger)
    return [int((pixels > 20).sum()) for pixels, _ in corrupted], [label for _, label in corrupted]


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_files_of_a_corrupted_cell(name, sample):
    areas, labels = files_of("none", sample)
    found, marked = files_of(name, sample)
    if "copy" in name:
        assert (marked[:46], marked[46:]) == (labels, [None])
        assert found[46] == pytest.approx(found[0], rel=0.3)
    elif name.startswith("two"):
        assert marked == [None, *labels[2:]]
        assert max(areas[:2]) < found[0] <= sum(areas[:2])
    elif name == "one in two pieces":
        assert marked == [None, None, *labels[1:]]
        assert sum(found[:2]) == areas[0]
    elif name == "one of another cell":
        assert marked[0] not in (None, labels[0])
        assert marked[1:] == labels[1:]
    elif name == "one file missing":
        assert marked == labels[1:]
    else:
        assert marked == labels


def test_cells_are_counted_by_what_comes_out(sample, monkeypatch):
    outcomes = ["right", "right", "silently_wrong", "referred"]

    def karyotype_cells(request):
        request.output.mkdir()
        cells, files = [], []
        for number, outcome in enumerate(outcomes):
            name = f"cell{number}"
            assert {cv2.imread(str(file))[0, 0, 0] for file in (request.cells / name).iterdir()} == {sample[number][1]}
            cells.append({"cell": name, "refer": "yes" if outcome == "referred" else "no", "reason": None})
            for position, (_, label) in enumerate(sample[number][0]):
                label = None if outcome == "silently_wrong" and position == 5 else label
                files.append({"cell": name, "file": f"{name}/{position:02d}.png", "class": label})
        cells[3]["reason"] = "expected wrong: 3.1 of 46, above 0.5; in doubt: 5 of 46, above 2"
        pd.DataFrame(cells).to_csv(request.output / "karyotypes.csv", index=False)
        pd.DataFrame(files).to_csv(request.output / "chromosomes.csv", index=False)

    monkeypatch.setattr(corruptions, "karyotype_cells", karyotype_cells)
    counted = corruptions.measure(sample, corruptions.CORRUPTIONS["none"])
    counts = {name: outcomes.count(name) for name in ("silently_wrong", "referred", "right")}
    assert counted == {"cells": 4, **counts, "right_but_referred": 1, "first_reason": "expected wrong"}

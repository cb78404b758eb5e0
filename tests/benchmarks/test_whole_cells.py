"""Whole cells of single chromosomes: which are held out, and how what comes out is counted."""

import pandas as pd
import pytest

from benchmarks import whole_cells
from tests.helpers.chromosomes import write_chromosomes


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """The test cells of ten cases of two cells each."""
    return whole_cells.held_out_cells(write_chromosomes(tmp_path_factory.mktemp("held_out") / "data", 10, 2))


def test_the_cells_of_a_fifth_of_the_cases_are_held_out_as_a_whole(held_out):
    assert held_out["case_id"].nunique() == 2
    assert (held_out.groupby("cell_id").size() == 46).all()
    assert held_out["cell_id"].nunique() == 4
    assert set(held_out["class"]) == {*map(str, range(1, 23)), "X", "Y"}


def test_wrong_and_left_out_chromosomes_are_counted_by_cell(held_out, monkeypatch):
    first, second, *_ = held_out["cell_id"].unique()

    def karyotype_cells(request):
        table = pd.read_csv(request.cells, dtype=str).rename(columns={"path": "file", "cell_id": "cell"})
        files = table.assign(status="used", cause=None)
        of_first = files.index[files["cell"] == first]
        files.loc[of_first[:2], "class"] = files.loc[of_first[:2], "class"].map({"1": "2"}).fillna("1")
        files.loc[files.index[files["cell"] == second][0], ["status", "class"]] = ["left_out", None]
        cells = files.groupby("cell").agg(case=("case_id", "first"), files=("file", "size")).reset_index()
        request.output.mkdir()
        refer = cells["cell"].map({second: "yes"}).fillna("no")
        cells.assign(expected_wrong=0.1, refer=refer).to_csv(request.output / "karyotypes.csv", index=False)
        files.to_csv(request.output / "chromosomes.csv", index=False)

    monkeypatch.setattr(whole_cells, "karyotype_cells", karyotype_cells)
    cells = whole_cells.named_cells(held_out).set_index("cell")
    assert cells["wrong"].to_dict() == {**dict.fromkeys(cells.index, 0), first: 2}
    assert cells["left_out"].to_dict() == {**dict.fromkeys(cells.index, 0), second: 1}
    assert cells["referred"].to_dict() == {**dict.fromkeys(cells.index, False), second: True}
    assert whole_cells.measure(cells) == {
        "cells right": 0.75,
        "referred": 0.25,
        "not referred, right": pytest.approx(2 / 3),
        "with a chromosome left out": 0.25,
    }

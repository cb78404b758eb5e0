"""Karyotypes of pictures and of cells of single chromosomes against labels, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from cytogenetics.evidence.karyotypes import measured
from cytogenetics.evidence.named_cells import held_out_cells, named_cells, named_pictures
from karyocyte.common.karyotype import CHROMOSOMES
from tests.helpers.chromosomes import write_chromosomes

FEMALE = np.repeat(np.arange(23), 2)
PLACES = 50.0 * np.stack([np.arange(47) % 8, np.arange(47) // 8], axis=1)
BOXES = np.concatenate([PLACES, PLACES + 40], axis=1)


@pytest.fixture
def pictures(tmp_path):
    """Three pictures: all right; two classes exchanged and referred; a trisomy 21 that is said to be normal."""
    frame = pd.DataFrame({"image_id": ["a1", "a2", "b1"], "subject": ["a", "a", "b"], "part": "test"})
    frame["path"] = frame["image_id"] + ".jpg"
    for name in frame["path"]:
        (tmp_path / name).write_text(name)
    frame["kind"] = ["normal", "normal", "numerical"]
    frame["boxes"] = [BOXES[:46], BOXES[:46], BOXES]
    frame["chromosomes"] = [FEMALE, FEMALE, np.append(FEMALE, 20)]
    files = []
    for name in frame["image_id"]:
        kinds = np.array([CHROMOSOMES[kind] for kind in FEMALE])
        if name == "a2":
            kinds[[0, 2]] = kinds[[2, 0]]
        for kind, box in zip(kinds, BOXES, strict=False):
            files.append(("used", None, name, kind, "1", *(box + 3), 0.9))
    columns = ["status", "case", "cell", "class", "alone", "left", "top", "right", "bottom", "box_probability"]
    pd.DataFrame(files, columns=columns).to_csv(tmp_path / "chromosomes.csv", index=False)
    cells = pd.DataFrame({"case": None, "cell": ["a1", "a2", "b1"], "karyotype": "46,XX"})
    cells["second_karyotype"] = [None, "47,XX,+21", "47,XX,+21"]
    cells[["third_karyotype", "fourth_karyotype", "fifth_karyotype"]] = None
    cells["refer"] = ["no", "yes", "no"]
    cells["probability"] = [0.9, 0.5, 0.7]
    cells.to_csv(tmp_path / "karyotypes.csv", index=False)
    return named_pictures(tmp_path, frame, tmp_path)


def test_measures_are_those_counted_by_hand(pictures):
    table = measured(pictures).set_index("metric")["value"]
    assert table["chromosomes found"] == pytest.approx(138 / 139)
    assert table["chromosomes right"] == pytest.approx(136 / 139)
    assert table["chromosomes right by their images alone"] == pytest.approx(6 / 139)
    assert table["probability of the karyotype, mean"] == pytest.approx(0.7)
    assert table["cells wholly right"] == pytest.approx(1 / 3)
    assert table["referred"] == pytest.approx(1 / 3)
    assert table["karyotype exact"] == pytest.approx(2 / 3)
    assert table["normal pictures exact"] == 1
    assert table["numerical abnormalities named exactly"] == 0
    assert table["numerical abnormalities named normal, not referred"] == 1
    assert table["numerical abnormalities among the karyotypes shown"] == 1
    assert table["corrections of a picture, median"] == 1
    assert table["corrections of a picture, 90 %"] == pytest.approx(1.8)
    assert table["abnormal cases named normal, not referred, of 1"] == 1
    assert table["not referred, wholly right"] == 0.5
    assert np.isnan(table["structural pictures referred"])


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """The test cells of ten cases of two cells each."""
    return held_out_cells(write_chromosomes(tmp_path_factory.mktemp("held_out") / "data", 10, 2))


def test_the_cells_of_a_fifth_of_the_cases_are_held_out_as_a_whole(held_out):
    assert held_out["case_id"].nunique() == 2
    assert (held_out.groupby("cell_id").size() == 46).all()
    assert held_out["cell_id"].nunique() == 4
    assert set(held_out["class"]) == {*map(str, range(1, 23)), "X", "Y"}


def test_wrong_and_left_out_chromosomes_are_counted_by_cell(held_out, tmp_path):
    first, second, *_ = held_out["cell_id"].unique()
    names = {"path": "file", "cell_id": "cell", "case_id": "case"}
    files = held_out.rename(columns=names).reset_index(drop=True).assign(status="used", sha256="0")
    files["alone"] = files["class"]
    of_first = files.index[files["cell"] == first]
    files.loc[of_first[:2], "class"] = files.loc[of_first[:2], "class"].map({"1": "2"}).fillna("1")
    files.loc[files.index[files["cell"] == second][0], ["status", "class", "alone"]] = ["left_out", None, None]
    cells = files.groupby("cell").agg(case=("case", "first")).reset_index()
    cells = cells.assign(karyotype="46,XY", probability=0.9, refer=cells["cell"].map({second: "yes"}).fillna("no"))
    cells.to_csv(tmp_path / "karyotypes.csv", index=False)
    files.to_csv(tmp_path / "chromosomes.csv", index=False)
    found = named_cells(tmp_path, held_out)
    rows = found.set_index("cell")
    assert rows["right"].to_dict() == {**dict.fromkeys(rows.index, 46), first: 44, second: 45}
    assert rows["alone"].to_dict() == {**dict.fromkeys(rows.index, 46), second: 45}
    assert rows["found"].to_dict() == {**dict.fromkeys(rows.index, 46), second: 45}
    assert set(rows["true"]) <= {"46,XX", "46,XY"}
    table = measured(found).set_index("metric")["value"]
    assert table["cells wholly right"] == 0.5
    assert table["referred"] == 0.25
    assert table["not referred, wholly right"] == pytest.approx(2 / 3)

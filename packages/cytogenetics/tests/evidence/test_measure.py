"""Karyotypes of pictures and of cells of single chromosomes beside labels, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from cytogenetics.commands.measure_karyotypes import app
from cytogenetics.evidence.karyotypes import metrics_by_case
from cytogenetics.karyotyping.karyotype_tables import RANKS
from karyocyte.common.files import sha256_of_file
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.metaphases.data.sets import write_voc
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import write_image
from tests.helpers.terminal import error_of, run_app

FEMALE = np.repeat(CHROMOSOMES[:23], 2)
PLACES = 50.0 * np.stack([np.arange(47) % 8, np.arange(47) // 8], axis=1)
BOXES = np.concatenate([PLACES, PLACES + 40], axis=1)
SIDES = ["left", "top", "right", "bottom"]


def write_output(folder, cells, files):
    """Write an output of scripts/karyotype.py; a cell is (case, cell, karyotype, probability, refer)."""
    folder.mkdir()
    cells = pd.DataFrame(cells, columns=["case", "cell", "karyotype", "probability", "refer"])
    ranked = cells.reindex(columns=[*cells, *(f"{rank}karyotype" for rank in RANKS[1:])])
    ranked.assign(second_karyotype="47,XX,+21").to_csv(folder / "karyotypes.csv", index=False)
    files.to_csv(folder / "chromosomes.csv", index=False)
    return folder


@pytest.fixture
def labels(tmp_path):
    """Three labelled pictures of two cases; the third has a trisomy 21."""
    for name in ("1050011", "1050012", "1050041"):
        write_image(tmp_path / "labels" / f"{name}.png", np.full((400, 420), 250, np.uint8))
        kinds = [*FEMALE, "21"] if name == "1050041" else FEMALE
        write_voc(tmp_path / "labels" / f"{name}.xml", list(zip(kinds, BOXES, strict=False)))
    (tmp_path / "labels" / "normal.csv").write_text("filename\n1050011.jpg\n1050012.jpg\n")
    (tmp_path / "labels" / "number_abnormalities.csv").write_text("filename\n1050041.jpg\n")
    return tmp_path / "labels"


@pytest.fixture
def output(tmp_path):
    """All right; two classes exchanged, a box left out and one invented; a trisomy that is said to be normal."""
    files = []
    for name in ("1050011", "1050012", "1050041"):
        table = pd.DataFrame(BOXES[:46] + 3, columns=SIDES).assign(case=None, cell=name, status="used", alone="1")
        files.append(table.assign(**{"class": FEMALE}, box_probability=0.9))
    files[1].loc[[0, 2], "class"] = ["2", "1"]
    files[1].loc[45, "status"] = "left_out"
    files[1].loc[44, SIDES] = [900, 900, 940, 940]
    cells = [(None, "1050011", "46,XX", 0.9, "no"), (None, "1050012", "46,XX", 0.5, "yes")]
    return write_output(tmp_path / "out", [*cells, (None, "1050041", "46,XX", 0.7, "no")], pd.concat(files))


def test_pictures_are_measured_as_counted_by_hand(output, labels, tmp_path):
    kept = tmp_path / "rows.parquet"
    printed = run_app(app, output, labels, "--rows", kept).output
    rows = pd.read_parquet(kept).set_index("cell")
    assert rows["case"].tolist() == ["105001", "105001", "105004"]
    assert rows.loc["1050012.png", ["found", "right", "alone", "invented"]].tolist() == [44, 42, 2, 1]
    assert rows["true"].tolist() == ["46,XX", "46,XX", "47,XX,+21"]
    table = metrics_by_case(rows).set_index("metric")["value"]
    assert table["chromosomes found"] == pytest.approx((46 + 44 + 46) / 139)
    assert table["cells wholly right"] == pytest.approx(1 / 3)
    assert table["not referred, wholly right"] == 0.5
    assert table["numerical abnormalities among the karyotypes shown"] == 1
    assert table["numerical abnormalities named normal, not referred"] == 1
    assert "cells: 3, cases: 2" in printed
    assert f"{table['chromosomes right']:.3f}" in printed


def test_a_picture_without_boxes_or_classes_is_an_error(output, labels):
    write_voc(labels / "1050012.xml", [("chromosome", BOXES[0])])
    assert "1050012 has boxes without a class" in error_of(run_app(app, output, labels, code=1))
    (labels / "1050012.xml").unlink()
    assert "no boxes of 1050012" in error_of(run_app(app, output, labels, code=1))
    assert "has no karyotypes.csv" in error_of(run_app(app, labels, labels, code=1))


@pytest.mark.parametrize("keys", [[], ["data.file=null"]], ids=["labels.csv", "folders"])
def test_chromosomes_are_known_by_their_content(tmp_path, keys):
    data = write_chromosomes(tmp_path / "data", cases=2)
    files = pd.read_csv(data / "labels.csv", dtype=str).rename(columns={"case_id": "case", "cell_id": "cell"})
    files["sha256"] = [sha256_of_file(data / path) for path in files["path"]]
    files["class"] = files["class"].replace({"23": "X", "24": "Y"})
    files = files.assign(file="as karyotype.py names it", status="used", alone=files["class"])
    first, second = (files.index[files["cell"] == cell] for cell in ("case0.0", "case1.0"))
    files.loc[first[:2], "class"] = "2"
    files.loc[second[0], ["status", "class", "alone"]] = ["left_out", None, None]
    cells = [("case0", "case0.0", "46,XY", 0.9, "no"), ("case1", "case1.0", None, None, "yes")]
    output = write_output(tmp_path / "out", cells, pd.concat([files, files.loc[first[5:6]]]))  # a copy counts once
    run_app(app, output, data, *keys, "--rows", tmp_path / "rows.parquet")
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    counts = ["chromosomes", "found", "right", "alone"]
    assert rows[counts].to_numpy().tolist() == [[46, 46, 44, 46], [46, 45, 45, 45]]
    assert rows["true"].tolist() == ["46,XY", "46,XY"]
    (data / files["path"][0]).write_bytes(b"another picture")
    assert "has no label" in error_of(run_app(app, output, data, *keys, code=1))

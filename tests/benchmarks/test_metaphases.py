"""Karyotypes of pictures against boxes and classes, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.metaphases import measured, named_pictures
from karyocyte.common.karyotype import CHROMOSOMES

FEMALE = np.repeat(np.arange(23), 2)
PLACES = 50.0 * np.stack([np.arange(47) % 8, np.arange(47) // 8], axis=1)
BOXES = np.concatenate([PLACES, PLACES + 40], axis=1)


@pytest.fixture
def pictures(tmp_path):
    """Three pictures: all right; two classes exchanged and referred; a trisomy 21 that is said to be normal."""
    frame = pd.DataFrame({"image_id": ["a1", "a2", "b1"], "subject": ["a", "a", "b"]})
    frame["kind"] = ["normal", "normal", "numerical"]
    frame["boxes"] = [BOXES[:46], BOXES[:46], BOXES]
    frame["chromosomes"] = [FEMALE, FEMALE, np.append(FEMALE, 20)]
    files = []
    for name in frame["image_id"]:
        kinds = np.array([CHROMOSOMES[kind] for kind in FEMALE])
        if name == "a2":
            kinds[[0, 2]] = kinds[[2, 0]]
        for kind, box in zip(kinds, BOXES, strict=False):
            files.append(("used", None, name, kind, *(box + 3), 0.9))
    columns = ["status", "case", "cell", "class", "left", "top", "right", "bottom", "box_probability"]
    pd.DataFrame(files, columns=columns).to_csv(tmp_path / "chromosomes.csv", index=False)
    cells = pd.DataFrame({"case": None, "cell": ["a1", "a2", "b1"], "karyotype": "46,XX"})
    cells["second_karyotype"] = [None, "47,XX,+21", "47,XX,+21"]
    cells[["third_karyotype", "fourth_karyotype", "fifth_karyotype"]] = None
    cells["refer"] = ["no", "yes", "no"]
    cells["expected_wrong"] = [0.0, 2.0, 0.1]
    cells.to_csv(tmp_path / "karyotypes.csv", index=False)
    return named_pictures(tmp_path, frame)


def test_measures_are_those_counted_by_hand(pictures):
    table = measured(pictures).set_index("metric")["value"]
    assert table["chromosomes found"] == pytest.approx(138 / 139)
    assert table["chromosomes right"] == pytest.approx(136 / 139)
    assert table["cells wholly right"] == pytest.approx(1 / 3)
    assert table["referred"] == pytest.approx(1 / 3)
    assert table["karyotype exact"] == pytest.approx(2 / 3)
    assert table["normal pictures exact"] == 1
    assert table["normal pictures not referred, named abnormal"] == 0
    assert table["numerical abnormalities named exactly"] == 0
    assert table["numerical abnormalities named or referred"] == 0
    assert table["numerical abnormalities named normal, not referred"] == 1
    assert table["numerical abnormalities named as another one"] == 0
    assert table["numerical abnormalities among the karyotypes shown"] == 1
    assert table["corrections of a picture, median"] == 1
    assert table["corrections of a picture, 90 %"] == pytest.approx(1.8)
    assert table["abnormal cases named normal, not referred, of 1"] == 1
    assert table["not referred, wholly right"] == 0.5
    assert table["trisomy 18 or 21 found or referred"] == 0
    assert np.isnan(table["structural pictures referred"])

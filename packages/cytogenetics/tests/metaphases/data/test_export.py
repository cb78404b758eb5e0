"""Chromosomes that are cut out of pictures with boxes become a set that a classifier reads."""

import pandas as pd
import pytest

from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.data.export import export_cut_outs
from datamodules.io.decode import read_image
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.metaphases.data.sets import write_metaphases

NAMES = [f"10500{case}{picture}" for case in range(1, 7) for picture in (1, 2)]


def test_the_pictures_that_test_stay_out_and_labels_are_kept(tmp_path):
    data = MetaphaseDataModule(data_dir=str(write_metaphases(tmp_path / "pictures", NAMES, lists={})))
    count = export_cut_outs(data.config, tmp_path / "cut", progress=False)
    table = pd.read_csv(tmp_path / "cut" / "labels.csv", dtype=str)
    names = data.manifest.frame["image_id"]
    test = set(names[data.parts == "test"])
    assert test
    assert set(table["cell_id"]) == set(names) - test
    assert (table["case_id"] == table["cell_id"].str[:-1]).all()
    assert count == len(table) == 2 * table["cell_id"].nunique()
    assert sorted(table["class"].unique()) == ["1", "X"]
    pixels = read_image(tmp_path / "cut" / table["path"][0])
    assert (pixels[0] == 255).all()
    assert pixels.min() < 200
    with pytest.raises(UserError, match="exists"):
        export_cut_outs(data.config, tmp_path / "cut", progress=False)

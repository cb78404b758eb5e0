"""Karyotypes of images in memory are those of the same images in files."""

import pandas as pd
import pytest

import cytogenetics
import karyocyte
from cytogenetics.commands.karyotype import app as karyotype
from cytogenetics.trained.pictures import BUILT_IN
from datamodules.io.decode import read_image
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.metaphases.data.sets import drawn_metaphase
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import write_image
from tests.helpers.terminal import run_app


def tables(folder):
    return [pd.read_csv(folder / f"{name}.csv", dtype=str) for name in ("karyotypes", "chromosomes")]


def test_the_chromosomes_of_cells_and_the_picture_of_a_metaphase_are_named_as_by_the_command(tmp_path):
    root = write_chromosomes(tmp_path / "set", cases=1)
    labels = pd.read_csv(root / "labels.csv", dtype=str)
    cells = {}
    for name, of_cell in labels.groupby("cell_id"):
        cells[name] = [read_image(root / path) for path in of_cell["path"]]
        for number, image in enumerate(cells[name], start=1):
            write_image(tmp_path / "cells" / name / f"{number:06}.png", image)
    picture = drawn_metaphase().pixels
    write_image(tmp_path / "pictures" / "one.png", picture)
    model = karyocyte.load(BUILT_IN)
    for place, images in (("cells", cells), ("pictures", {"one": picture})):
        run_app(karyotype, tmp_path / place, "--output", tmp_path / f"{place}-out")
        named = cytogenetics.karyotype(model, images)
        for ours, theirs in zip(named, tables(tmp_path / f"{place}-out"), strict=False):
            ours.to_csv(tmp_path / "ours.csv", index=False, float_format="%.6f")
            ours = pd.read_csv(tmp_path / "ours.csv", dtype=str)
            unlike = ["sha256"] if "sha256" in ours else []  # of files that a person has written
            pd.testing.assert_frame_equal(ours.drop(columns=unlike), theirs.drop(columns=unlike))
    with pytest.raises(UserError, match="refer_below"):
        cytogenetics.karyotype(model, cells, refer_belo=0.5)

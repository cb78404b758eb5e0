"""Synthetic images in the folders of a user's own: what reads such folders finds all of them, with their labels."""

import re

import numpy as np
import pandas as pd
import pytest

from cytogenetics.images.cells import find_cells
from datamodules.export import export_images
from datamodules.io.decode import read_image
from karyocyte.common.errors import UserError
from tests.helpers.images import cell_image, write_image
from tests.helpers.sources import list_images, source_config


def read(folder, cache, name, **keys):
    """Read a folder; None: draw the images."""
    return list_images(source_config(name, **keys), folder, cache, progress=False)


def counts_of_cells(manifest):
    """How many chromosomes of each class the cells have, by their numbers."""
    numbers = manifest.frame["cell"].str.extract(r"_(\d+\.\d+)$")[0]
    return manifest.frame.assign(number=numbers).value_counts(["number", "label"]).to_dict()


def test_blood_cells_become_folders_of_classes_with_the_subject_in_the_name(tmp_path):
    manifest = read(None, tmp_path, "synthetic", images=12, subjects=4, size=32)
    export_images(manifest, tmp_path / "cells")
    found = read(tmp_path / "cells", tmp_path, "folder", positive_class="all", subject_regex="^([^_]+)_")
    assert found.synthetic
    counted = ["label", "subject"]
    assert found.frame.value_counts(counted).to_dict() == manifest.frame.value_counts(counted).to_dict()
    np.testing.assert_array_equal(read_image(tmp_path / "cells" / "all" / "1_001.png"), read_image(manifest.file(0)))


def test_chromosomes_become_cells_whose_files_tell_no_class(tmp_path):
    manifest = read(None, tmp_path, "synthetic_chromosomes", cells=4, cases=3)
    export_images(manifest, tmp_path / "new")
    cells = find_cells(tmp_path / "new", tmp_path, progress=False).cells
    assert (cells[0].case, cells[0].name, len(cells[0].files)) == ("new_001", "new_001.1", 46)
    labels = pd.read_csv(tmp_path / "new" / "labels.csv", dtype=str)
    assert all(re.fullmatch(r"new_00\d/new_00\d\.\d/\d\d\.png", path) for path in labels["path"])
    assert labels["class"].tolist()[:46] != sorted(labels["class"].tolist()[:46])
    found = read(tmp_path / "new", tmp_path, "chromosomes")
    assert found.synthetic
    assert not set(found.frame["subject"]) & set(manifest.frame["subject"])
    assert counts_of_cells(found) == counts_of_cells(manifest)


def test_an_existing_folder_and_real_images_are_refused(tmp_path):
    for kind in "ab":
        write_image(tmp_path / "own" / kind / "1.png", cell_image(1))
    with pytest.raises(UserError, match="exists already"):
        export_images(read(None, tmp_path, "synthetic", images=4, subjects=4, size=32), tmp_path / "own")
    with pytest.raises(UserError, match="synthetic images alone"):
        export_images(read(tmp_path / "own", tmp_path, "folder", positive_class="a"), tmp_path / "new")

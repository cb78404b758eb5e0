"""Runs that several scripts are tried on."""

import pytest

from tests.helpers.images import write_class_folders
from tests.helpers.portable import train_on_cells


@pytest.fixture(scope="session")
def cell_images(tmp_path_factory):
    """Folders of synthetic cells of two classes."""
    return write_class_folders(tmp_path_factory.mktemp("cells") / "cells", {"hem": 24, "all": 24})


@pytest.fixture(scope="session")
def cell_runs(cell_images):
    """Two runs of one fold on ``cell_images``, without passes, with mirrored images."""
    return train_on_cells(cell_images)

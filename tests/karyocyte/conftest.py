"""Runs that several scripts and ``karyocyte.load`` are tried on."""

import pytest

from karyocyte.commands.ensemble import app as ensemble
from karyocyte.commands.export import app as export
from tests.helpers.images import write_class_folders
from tests.helpers.portable import train_on_cells
from tests.helpers.terminal import run_app


@pytest.fixture(scope="session")
def cell_images(tmp_path_factory):
    """Folders of synthetic cells of two classes."""
    return write_class_folders(tmp_path_factory.mktemp("cells") / "cells", {"hem": 24, "all": 24})


@pytest.fixture(scope="session")
def cell_runs(cell_images):
    """Two runs of one fold on ``cell_images``, without passes, with mirrored images."""
    return train_on_cells(cell_images)


@pytest.fixture(scope="session")
def portable(cell_runs, tmp_path_factory):
    """The first run, exported."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    run_app(export, cell_runs[0], "--output", folder, "--licence", "CC-BY-4.0")
    return folder


@pytest.fixture(scope="session")
def fitted(cell_runs, tmp_path_factory):
    """An ensemble of the two runs with fitted weights."""
    folder = tmp_path_factory.mktemp("ensemble") / "fitted"
    quick = ["population=10", "generations=3", "restarts=2", "evaluation.resamples=20"]
    run_app(ensemble, "genetic", *cell_runs, *quick, "--output", folder)
    return folder

"""What every test starts with: as those of the core."""

import pytest

from packages.cytogenetics.tests.metaphases.data.sets import drawn_metaphase
from packages.cytogenetics.tests.review.bundles import write_cells
from tests.conftest import (  # noqa: F401
    blank_figures,
    every_epoch_saved,
    heed_ctrl_c,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_configure,
    quick_compositions,
    saved_figures,
    settings_of_process,
    undrawn_layers,
)


@pytest.fixture
def output(tmp_path):
    """The output for two cells with its review, ``tmp_path / "out"``."""
    return write_cells(tmp_path / "out").output


@pytest.fixture(scope="session")
def drawn():
    return drawn_metaphase()

"""What every test starts with: as those of the core."""

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

"""What every test starts with: as those of the core."""

from tests.conftest import (  # noqa: F401
    heed_ctrl_c,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_configure,
    quick_compositions,
    settings_of_process,
    undrawn_layers,
)

"""Places of the code base itself."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
for name in [each for each in os.environ if each.startswith("KARYOCYTE_") and not os.environ[each]]:
    del os.environ[name]  # an empty variable names no folder: it is as if it were not set


def without_machine(folder: Path) -> str:
    """Return the path of a run as it may be passed on: of an absolute one the last three parts, which name the run."""
    return "/".join(folder.parts[-3:]) if folder.is_absolute() else str(folder)

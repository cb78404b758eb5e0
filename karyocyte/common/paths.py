"""Places of the code base itself."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


def without_machine(folder: Path) -> str:
    """Return the path of a run as it may be passed on: of an absolute one the last three parts, which name the run."""
    return "/".join(folder.parts[-3:]) if folder.is_absolute() else str(folder)

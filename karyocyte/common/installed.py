"""What installed packages bring along: entry points of the groups ``karyocyte.<kind>``."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


@cache
def entries(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of a kind by their names, in the order of these; none is loaded."""
    found = sorted(entry_points(group=f"karyocyte.{kind}"), key=lambda entry: entry.name)
    return {entry.name: entry for entry in found}


def loaded(kind: str) -> dict[str, Any]:
    """Load all entry points of a kind; return what they name by their names."""
    return {name: entry.load() for name, entry in entries(kind).items()}

"""Karyotypes of whole cells, from pictures of metaphases or of single chromosomes, and their review."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytogenetics.karyotyping.in_memory import karyotype

CONF = Path(__file__).resolve().parents[1] / "conf"  # found by Hydra beside conf/ of the core
__all__ = ["karyotype"]


def __getattr__(name: str) -> Any:
    """Import what is exported when it is asked for: a module of the package needs little of the others."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cytogenetics.karyotyping.in_memory import karyotype

    return karyotype

"""Everything from the batch to the logits."""

from importlib import import_module
from typing import Any

__all__ = ["Classifier"]  # noqa: F822 (imported at first use)


def __getattr__(name: str) -> Any:
    """Import the classifier at its first use: it needs torch, the package does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lightning_modules.classifier"), name)

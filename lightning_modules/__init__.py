"""Everything from the batch to the logits."""

from importlib import import_module
from typing import Any

# Imported at their first use.
_MODULES = {
    "Classifier": "modules.classifier",
    "Stage": "callbacks.staged_unfreezing",
    "StagedUnfreezing": "callbacks.staged_unfreezing",
    "create_classifier": "build.create",
}
__all__ = ["Classifier", "Stage", "StagedUnfreezing", "create_classifier"]  # noqa: F822


def __getattr__(name: str) -> Any:
    """Import the classifier at its first use: it needs torch, the package does not."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

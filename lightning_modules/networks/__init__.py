"""The papers' own networks, and ResNet-50 as published: each registers itself with timm in a module of its name.

A network of your own is a further file: a function with timm's ``@register_model``, which takes ``pretrained=False``
and ``**kwargs`` and returns a module with ``forward_features``. The name of function and file is a ``model.name``.
"""

import pkgutil
from importlib import import_module
from typing import Any

import timm


def default_cfg(size: int, **own: Any) -> dict[str, Any]:
    """Return timm's facts about a network for square images of ``size`` pixels; ``own`` overrides or adds some."""
    return {"input_size": (3, size, size), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), **own}


def register_network(name: str) -> None:
    """Import the module here that has the name of a network, where there is one: then timm knows the network."""
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        import_module(f"{__name__}.{name}")


def network_names() -> list[str]:
    """Return the names of all networks, those of timm and those of this package, all of which it imports."""
    for module in pkgutil.iter_modules(__path__):  # layered_cnn, which others build on, registers nothing
        import_module(f"{__name__}.{module.name}")
    return timm.list_models()

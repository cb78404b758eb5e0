"""The papers' own networks, and ResNet-50 as published; importing this package registers those of all its modules."""

import pkgutil
from importlib import import_module

for module in pkgutil.iter_modules(__path__):  # layered_cnn, which others build on, registers nothing
    import_module(f"{__name__}.{module.name}")

"""The papers' own networks, and ResNet-50 as published; importing this package registers those of all its modules.

A network of your own is a further file: a function with timm's ``@register_model``, which takes ``pretrained=False``
and ``**kwargs`` and returns a module with ``forward_features``. Its name is then a ``model.name``.
"""

import pkgutil
from importlib import import_module

for module in pkgutil.iter_modules(__path__):  # layered_cnn, which others build on, registers nothing
    import_module(f"{__name__}.{module.name}")

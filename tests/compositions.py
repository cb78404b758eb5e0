"""Compositions in less time: tests make a thousand, which read the same files."""

import pickle
from functools import cache
from io import StringIO
from unittest import mock

from omegaconf import OmegaConf


def quick_compositions():
    """Return a context within which each YAML text is parsed once; of the result each composition has a copy."""
    load = OmegaConf.load
    parsed = cache(lambda text: pickle.dumps(load(StringIO(text))))
    load_copy = lambda file: pickle.loads(parsed(file.read())) if hasattr(file, "read") else load(file)  # noqa: E731
    return mock.patch.object(OmegaConf, "load", load_copy)

"""Workflows that use several packages; the command lines of scripts/ call them."""

import datamodules  # noqa: F401 - it registers the sources and transforms that a configuration may name

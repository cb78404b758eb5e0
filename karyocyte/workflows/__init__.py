"""Workflows that use several packages; the command lines of scripts/ call them."""

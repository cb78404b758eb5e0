"""Packages that use Karyocyte, each with a pyproject.toml of its own."""

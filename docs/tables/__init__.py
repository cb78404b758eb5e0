"""Writes the tables of the documentation from results/: ``python -m docs.tables``."""

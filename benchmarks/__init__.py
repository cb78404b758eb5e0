"""Measurements of speed, coverage and cost: ``python -m benchmarks --help``."""

"""Estimates of what a sweep costs: ``python -m benchmarks.planning --help``."""

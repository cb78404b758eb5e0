"""Measurements that no test can make: ``python -m benchmarks.interval_coverage``."""

"""The measurements behind scripts/benchmark.py, one file each: they need all rooms, so they stand outside of them."""

"""Karyotypes of whole cells, from pictures of metaphases or of single chromosomes, and their review."""

from pathlib import Path

CONF = Path(__file__).resolve().parents[1] / "conf"  # found by Hydra beside conf/ of the core

"""Synthetic cells and chromosomes, and karyograms composed of single chromosomes."""

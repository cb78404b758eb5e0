"""Synthetic cells and chromosomes."""

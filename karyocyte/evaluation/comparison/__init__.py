"""Comparisons between models, and of runs with the experiments of the papers."""

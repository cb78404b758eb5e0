"""Comparisons of homologues: training, external tests, baselines."""

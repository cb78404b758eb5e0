"""Comparisons between models, with the papers and with other data sets."""

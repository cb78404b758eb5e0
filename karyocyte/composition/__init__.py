"""Hydra's composition of conf/ with the words of a command line: configurations, grids, and the files they name."""

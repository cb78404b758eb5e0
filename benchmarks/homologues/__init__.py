"""Comparisons of homologues without training on rearrangements, and the speed of making pairs."""

"""Pairs of homologous chromosomes, and rearrangements that are derived from normal ones."""

"""Karyotypes of new cells from the pictures of their chromosomes."""

"""Karyotypes of whole cells, from pictures of metaphases or of single chromosomes, and their review."""

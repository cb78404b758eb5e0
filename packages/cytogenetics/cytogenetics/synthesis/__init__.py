"""Composed and derived karyograms, and composed pictures of metaphases."""

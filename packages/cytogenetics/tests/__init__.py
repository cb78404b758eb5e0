"""Tests of the package cytogenetics: they mirror its folders."""

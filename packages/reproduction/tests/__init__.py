"""Tests of the package reproduction: they mirror its folders."""

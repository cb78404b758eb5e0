"""Tests of the weights of ensembles."""

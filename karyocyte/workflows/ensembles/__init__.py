"""Ensembles of runs: average, or weights by the genetic algorithm of paper 004."""

"""Ensembles of runs: average, best member, weights by the genetic algorithm of paper 004."""

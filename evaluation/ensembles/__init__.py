"""Ensembles of models: averaging, fitted weights, stacking, nested cross-validation."""

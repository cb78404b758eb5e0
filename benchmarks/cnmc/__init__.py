"""Measurements on C-NMC: its published folds, what the random split adds, accuracy by the number of persons."""

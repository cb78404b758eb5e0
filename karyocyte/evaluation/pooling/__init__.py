"""The predictions of runs, folds and members brought together, and what a section takes and returns."""

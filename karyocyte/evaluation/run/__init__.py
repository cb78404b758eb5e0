"""The evaluation as a whole."""

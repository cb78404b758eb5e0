"""How much each member of an ensemble counts: weights that are fitted on validation predictions."""

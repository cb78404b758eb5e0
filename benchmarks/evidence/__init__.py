"""The predictions kept in results/evidence, and the figures that are recomputed from them."""

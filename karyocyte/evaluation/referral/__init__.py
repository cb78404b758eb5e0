"""Which images an expert reviews: chosen on validation, evaluated on test, applied to new images."""

"""Images of trained runs, of other data sets, and without labels."""

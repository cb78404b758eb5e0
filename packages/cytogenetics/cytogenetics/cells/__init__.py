"""Joint assignment of the chromosomes of a cell, and karyotypes."""

"""Images of the chromosomes of a cell, and boxes in pictures."""

"""What the persons of C-NMC tell: how much they add to a figure, and how many are needed."""

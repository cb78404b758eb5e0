"""The predictions that results/evidence keeps, and the tables that follow from them."""

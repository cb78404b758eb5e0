"""How the time of each part grows with the data."""

"""What an evaluation returns, and how its values are written."""

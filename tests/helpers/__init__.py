"""Plain functions that write tiny data sets to disk."""

"""Trained networks of pictures, and what the export of a classifier knows of whole cells."""

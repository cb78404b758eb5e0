"""Trained models as folders that do not need their runs."""

"""Trained models as folders that need neither their runs nor torch."""

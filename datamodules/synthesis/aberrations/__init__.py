"""Numerical and structural abnormalities of composed karyograms."""

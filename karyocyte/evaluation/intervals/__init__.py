"""Confidence intervals of metrics, clustered by subject."""

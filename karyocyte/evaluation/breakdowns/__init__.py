"""Metrics by class, by subject and by subgroup."""

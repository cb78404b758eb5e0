"""Metrics by class, by subject, by subgroup and by operating point."""

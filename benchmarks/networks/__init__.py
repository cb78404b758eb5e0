"""Measurements of networks: their operations, and how weights fit their variants."""

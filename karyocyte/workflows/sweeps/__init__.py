"""Sweeps: expansion, batch scripts, status and collection of results."""

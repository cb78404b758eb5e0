"""Portable models: a run or an ensemble as a folder that needs neither its run nor torch."""

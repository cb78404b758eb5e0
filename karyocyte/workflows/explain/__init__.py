"""Explanations of trained runs."""

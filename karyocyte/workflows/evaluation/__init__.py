"""Evaluation of finished runs, as scripts/evaluate.py asks for it."""

"""Staged training: one fit per stage."""

"""Sections of an evaluation that belong to no other folder."""

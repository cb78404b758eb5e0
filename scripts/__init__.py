"""Thin command lines without logic of their own."""

"""Thin command lines without logic of their own; train.py and scripts/ call them by the names that users type."""

"""Measurements with many kinds of input: encodings of pictures, folders, tables and settings, layers of heat maps."""

"""Portable networks of pictures, and what a portable model knows of whole cells."""

"""Boxes in pictures, and small pictures of images."""

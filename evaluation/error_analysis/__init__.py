"""Misclassified images, agreement between models, example sheets."""

"""Augmentation, random and before the split."""

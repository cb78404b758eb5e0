"""Deterministic preparation: decode, crop, CLAHE, pad, resize, cached on disk."""

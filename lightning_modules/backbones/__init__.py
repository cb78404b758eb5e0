"""Backbones of timm, whole or truncated, their heads and weights."""

"""The papers' own networks; importing this package registers them with timm."""

from lightning_modules.networks import scratch_cnn

__all__ = ["scratch_cnn"]

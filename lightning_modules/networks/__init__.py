"""The papers' own networks; importing this package registers them with timm."""

from lightning_modules.networks import alexnet, anet_c6, hem_all_cnn, scratch_cnn

__all__ = ["alexnet", "anet_c6", "hem_all_cnn", "scratch_cnn"]

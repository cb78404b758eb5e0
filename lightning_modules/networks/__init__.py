"""The papers' own networks, and ResNet-50 as published; importing this package registers them with timm."""

from lightning_modules.networks import alexnet, anet_c6, hem_all_cnn, resnet50_v1, scratch_cnn

__all__ = ["alexnet", "anet_c6", "hem_all_cnn", "resnet50_v1", "scratch_cnn"]

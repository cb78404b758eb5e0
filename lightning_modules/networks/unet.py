"""A small U-Net (Ronneberger et al., 2015), as a timm model: features of the size of the image."""

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn
from torch.nn import functional

from lightning_modules.networks import default_cfg

CHANNELS = (12, 24, 40, 64)  # of the resolutions, the finest first; each is half of the one before

default_cfgs = generate_default_cfgs({"unet": default_cfg(64)})


class UNet(nn.Module):
    """Four resolutions joined at that of the image, whose sides are multiples of 8; 0.17 million parameters."""

    num_features = CHANNELS[0]

    def __init__(self, num_classes: int = 0, in_chans: int = 3, global_pool: str = "", drop_rate: float = 0.0) -> None:
        super().__init__()
        before = (in_chans, *CHANNELS[:-1])
        self.down = nn.ModuleList(map(_block, before, CHANNELS))
        joined = [fine + coarse for fine, coarse in zip(CHANNELS, CHANNELS[1:], strict=False)]
        self.up = nn.ModuleList(map(_block, joined[::-1], CHANNELS[-2::-1]))
        self.fc = nn.Linear(CHANNELS[0], num_classes) if num_classes else nn.Identity()

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, 12, H, W) of images (B, C, H, W)."""
        levels = [self.down[0](x)]
        for block in list(self.down)[1:]:
            levels.append(block(functional.max_pool2d(levels[-1], 2)))
        joined: torch.Tensor = levels[-1]
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            joined = block(torch.cat([functional.interpolate(joined, scale_factor=2.0), level], dim=1))
        return joined

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify the mean of the features: (B, num_classes), or (B, 12)."""
        scores: torch.Tensor = self.fc(self.forward_features(x).mean(dim=(2, 3)))
        return scores


def _block(before: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for count in (before, channels):
        layers += [nn.Conv2d(count, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


@register_model
def unet(pretrained: bool = False, **kwargs: Any) -> UNet:
    """Build the U-Net; no trained weights are published."""
    return build_model_with_cfg(UNet, "unet", pretrained, **kwargs)

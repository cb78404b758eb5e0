"""Small classifiers with dropout, and the plain arithmetic of their passes."""

from typing import Any

import torch
from torch import nn

from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import draw_masks

PAPER = [{"dropout": 0.5}, "gap", {"dense": 16}, "batchnorm", {"dropout": 0.3}]  # paper 001, Figure 3.5, narrower

# Name -> (timm's name, its arguments, cut, size): each layout of features, in networks of milliseconds.
NETWORKS: dict[str, tuple[str, dict[str, Any], str | None, int]] = {
    "NCHW": ("resnet18", {}, "layer1", 24),
    "NHWC": (
        "swin_tiny_patch4_window7_224",
        {"depths": (1, 1), "embed_dim": 12, "num_heads": (1, 2), "window_size": 4},
        None,
        32,
    ),
    "tokens": ("vit_tiny_patch16_224", {"depth": 1, "embed_dim": 12, "num_heads": 2}, None, 48),
}


def sampling_classifier(
    layers: list, network: str = "NCHW", logits: int = 1, args: dict[str, Any] | None = None
) -> Classifier:
    """Return a classifier in eval mode with random weights, and BatchNorm statistics that are not its first ones."""
    torch.manual_seed(0)
    name, network_args, cut, size = NETWORKS[network]
    return _classifier(name, {**network_args, **(args or {})}, cut, size, layers, logits)


def functional_classifier(layers: list, rate: float) -> Classifier:
    """Return one whose backbone, a small DenseNet, drops by a function; its modules hold no dropout."""
    torch.manual_seed(0)
    args = {"block_config": (1, 1), "growth_rate": 8, "proj_drop_rate": rate}
    return _classifier("densenet121", args, None, 32, layers, 1)


def images(count: int, network: str = "NCHW", seed: int = 0) -> torch.Tensor:
    """Return noise of the size of a network."""
    size = NETWORKS[network][3]
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def masked_by_hand(model: Classifier, image: torch.Tensor, passes: int, seed: int) -> torch.Tensor:
    """Return logits (passes, B, K): the whole network for each pass, with its masks in place of the head's dropout."""
    logits = []
    for number in range(passes):
        x = model.features(image)
        for position, layer in enumerate(model.head):
            if isinstance(layer, nn.Dropout):
                mask = draw_masks(seed, position, range(number, number + 1), x.shape[1:], layer.p)[0]
                x = x * mask / (1 - layer.p)
            else:
                x = layer(x)
        logits.append(x)
    return torch.stack(logits)


def _classifier(name: str, args: dict[str, Any], cut: str | None, size: int, layers: list, logits: int) -> Classifier:
    backbone = build_backbone(name, args, cut, size)
    head = build_head(layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    model = Classifier(backbone.module, head, max(logits, 2), ModelFacts([0.5] * 3, [0.3] * 3, {}))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()

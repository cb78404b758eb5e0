"""A hundred passes of Monte Carlo dropout through small networks, beside one pass and the batch repeated."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.speed.case import Case, Peer
from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.truncation import evaluating
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import McDropout

PASSES = 100
BATCH = 16
REPEATED = 4  # repetitions of the batch that go through a network together: all at once would take many gigabytes
HEAD = ({"dropout": 0.5}, "gap", {"dense": 256}, "batchnorm", {"dropout": 0.5})  # of paper 001 (Figure 3.5)


NETWORKS = {"MobileNetV2, 96 px": ("mobilenetv2_100", 96), "ResNet-18, 64 px": ("resnet18", 64)}


def cases(folder: Path) -> Iterator[Case]:
    """Yield a case per network, of a batch of 16 images."""
    for name, (backbone, size) in NETWORKS.items():
        model = _build(backbone, size)
        image = torch.rand(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
        peers = {
            "one pass": Peer(partial(_pass, model, image), 1 / 1.1),
            "batch repeated": Peer(partial(_repeat_batch, model, image)),
        }
        sampler = McDropout(model, PASSES, seed=0)
        yield Case(f"{PASSES} passes, {name}", partial(sampler, image), peers, BATCH, rounds=5)


def _build(name: str, size: int) -> Classifier:
    """Return a network with random weights, which takes the same time as any, and the head of paper 001."""
    backbone = build_backbone(name, {}, None, size)
    head = build_head(list(HEAD), backbone.out_shape, 1, backbone.layout, backbone.prefix_tokens)
    return Classifier(backbone.module, head, 2, ModelFacts([0.5] * 3, [0.5] * 3, {})).eval()


@torch.no_grad()
def _repeat_batch(model: Classifier, image: torch.Tensor) -> None:
    """Send the images (B, C, H, W) through the network repeatedly, so that each has masks of its own every time."""
    for _ in range(0, PASSES, REPEATED):
        naive_passes(model, image.repeat(REPEATED, 1, 1, 1), 1)


@torch.inference_mode()
def _pass(model: nn.Module, image: torch.Tensor) -> None:
    model(image)


@torch.no_grad()
def naive_passes(classifier: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K) of images (B, C, H, W) the plain way: the whole network once per pass.

    The dropout modules, and no others, are in training mode meanwhile; torch's global generator draws.
    """
    with evaluating(classifier):
        for module in classifier.modules():
            if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
                module.train()
        return torch.stack([classifier.head_logits(image) for _ in range(passes)])

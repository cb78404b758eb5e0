"""A hundred passes of Monte Carlo dropout through small networks, beside one pass and the batch repeated."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.speed.case import Case, Peer
from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import McDropout, naive_passes

PASSES = 100
BATCH = 16
REPEATED_IMAGES = 64  # that go through a network together: all 1,600 at once would take many gigabytes
HEAD = ({"dropout": 0.5}, "gap", {"dense": 256}, "batchnorm", {"dropout": 0.5})  # of paper 001 (Figure 3.5)


class Network(NamedTuple):
    """A network with random weights, which takes the same time as any, and an image size."""

    name: str
    model: str
    size: int


NETWORKS = (
    Network("MobileNetV2, 96 px", "mobilenetv2_100", 96),
    Network("ResNet-18, 64 px", "resnet18", 64),
)


def cases(folder: Path) -> Iterator[Case]:
    """Yield a case per network, of a batch of 16 images."""
    for network in NETWORKS:
        model = build(network)
        image = torch.rand(BATCH, 3, network.size, network.size, generator=torch.Generator().manual_seed(0))
        peers = {
            "one pass": Peer(partial(_pass, model, image), 1 / 1.1),
            "batch repeated": Peer(partial(repeated_batch, model, image, PASSES)),
        }
        sampler = McDropout(model, PASSES, seed=0)
        yield Case(f"{PASSES} passes, {network.name}", partial(sampler, image), peers, BATCH, rounds=5)


def build(network: Network) -> Classifier:
    """Return a network with random weights and the head of paper 001, in eval mode."""
    backbone = build_backbone(network.model, {}, None, network.size)
    head = build_head(list(HEAD), backbone.out_shape, 1, backbone.layout, backbone.prefix_tokens)
    return Classifier(backbone.module, head, 2, ModelFacts([0.5] * 3, [0.5] * 3, {})).eval()


@torch.no_grad()
def repeated_batch(model: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K): the images (B, C, H, W) repeated, so that each has masks of its own every time."""
    step = max(1, REPEATED_IMAGES // len(image))
    logits = []
    for start in range(0, passes, step):
        count = min(step, passes - start)
        several = naive_passes(model, image.repeat(count, 1, 1, 1), 1)[0]
        logits.append(several.reshape(count, len(image), -1))
    return torch.cat(logits)


@torch.inference_mode()
def _pass(model: torch.nn.Module, image: torch.Tensor) -> None:
    model(image)

"""A hundred passes of Monte Carlo dropout through small networks, beside one pass and the batch repeated."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.mc_dropout import Case as Network
from benchmarks.mc_dropout import build, repeated_batch
from benchmarks.speed.case import Case, Peer
from lightning_modules.mc_dropout import McDropout

PASSES = 100
BATCH = 16
RATES = (0.5, 0.5)  # of the two dropouts in the head of paper 001 (Figure 3.5)
NETWORKS = (
    Network("MobileNetV2, 96 px", "mobilenetv2_100", 96),
    Network("ResNet-18, 64 px", "resnet18", 64),
)


def cases(folder: Path) -> Iterator[Case]:
    """Yield a case per network, of a batch of 16 images."""
    for network in NETWORKS:
        model = build(network, RATES)
        image = torch.rand(BATCH, 3, network.size, network.size, generator=torch.Generator().manual_seed(0))
        peers = {
            "one pass": Peer(partial(_pass, model, image), 1 / 1.1),
            "batch repeated": Peer(partial(repeated_batch, model, image, PASSES)),
        }
        sampler = McDropout(model, PASSES, seed=0)
        yield Case(f"{PASSES} passes, {network.name}", partial(sampler, image), peers, BATCH, rounds=5)


@torch.inference_mode()
def _pass(model: torch.nn.Module, image: torch.Tensor) -> None:
    model(image)

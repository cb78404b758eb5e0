"""The measurement behind ``benchmark.py mc_dropout``: the passes of Monte Carlo dropout, four ways in turn."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import McDropout, naive_passes

# Images that go through a network together where the batch is repeated: all 1,600 at once would take many gigabytes.
REPEATED_IMAGES = 64


@dataclass(frozen=True)
class Case:
    """A network and an image size; its weights are random, which takes the same time as any."""

    name: str
    model: str
    size: int


CASES = (
    Case("VGG16, 150 px", "vgg16", size=150),  # the size of paper 001, Figure 3.5
    Case("MobileNetV2, 224 px", "mobilenetv2_100", size=224),
)


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        passes: Of Monte Carlo dropout.
        batch: Images per batch.
        rates: Of the two dropouts in the head of paper 001.
        rounds: How often the quick ways are measured, in turn.
        slow_rounds: In how many of these rounds the slow ways are measured too.
        slow_passes: How many passes the slow ways make; where they are fewer than ``passes``, the times are scaled up.
    """

    passes: int = 100
    batch: int = 16
    rates: tuple[float, float] = (0.5, 0.5)
    rounds: int = 20
    slow_rounds: int = 3
    slow_passes: int = 100


def measure(case: Case, settings: Settings) -> dict[str, Any]:
    """Time all ways in turn, and return the medians in milliseconds with their ratios.

    The ways are: one pass without dropout; ours; ``features``, the backbone once and its features repeated through the
    head for each pass; ``repeat``, the batch repeated for each pass (as torch-uncertainty does it on a batch), some
    images at a time; ``naive``, the whole network once per pass.

    Returns:
        A row: the settings, ``<way>_ms``, ``ratio`` (ours over one pass), and how many times faster ours is than each
        other way: ``over_naive``, ``over_repeat``, ``over_features``.
    """
    model = build(case, settings.rates)
    image = torch.rand(settings.batch, 3, case.size, case.size, generator=torch.Generator().manual_seed(0))
    sampler = McDropout(model, settings.passes, seed=0)
    quick: dict[str, Callable[[], Any]] = {
        "plain": lambda: model(image),
        "ours": lambda: sampler(image),
        "features": lambda: repeated_features(model, image, settings.passes),
    }
    slow: dict[str, Callable[[], Any]] = {
        "repeat": lambda: repeated_batch(model, image, settings.slow_passes),
        "naive": lambda: naive_passes(model, image, settings.slow_passes),
    }
    times = _in_turn(quick, slow, settings)
    median = {name: 1000 * statistics.median(seconds) for name, seconds in times.items()}
    for name in slow:
        median[name] *= settings.passes / settings.slow_passes
    return {
        "case": case.name,
        "passes": settings.passes,
        "batch": settings.batch,
        "rates": " ".join(map(str, settings.rates)),
        "rounds": settings.rounds,
        "slow_rounds": settings.slow_rounds,
        "slow_passes": settings.slow_passes,
        **{f"{name}_ms": value for name, value in median.items()},
        "ratio": median["ours"] / median["plain"],
        **{f"over_{name}": median[name] / median["ours"] for name in ("naive", "repeat", "features")},
    }


def build(case: Case, rates: tuple[float, float]) -> Classifier:
    """Return a network with random weights and the head of paper 001 (Figure 3.5), in eval mode."""
    backbone = build_backbone(case.model, {}, None, case.size)
    layers: list[str | dict[str, Any]] = [
        {"dropout": rates[0]},
        "gap",
        {"dense": 256},
        "batchnorm",
        {"dropout": rates[1]},
    ]
    head = build_head(layers, backbone.out_shape, 1, backbone.layout, backbone.prefix_tokens)
    return Classifier(backbone.module, head, 2, ModelFacts([0.5] * 3, [0.5] * 3, {})).eval()


@torch.no_grad()
def repeated_batch(model: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K): the images (B, C, H, W) repeated, so that each has masks of its own every time."""
    step = max(1, REPEATED_IMAGES // len(image))
    logits = []
    for start in range(0, passes, step):
        count = min(step, passes - start)
        logits.append(naive_passes(model, image.repeat(count, 1, 1, 1), 1).unflatten(1, (count, len(image)))[0])
    return torch.cat(logits)


@torch.no_grad()
def repeated_features(model: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K): the backbone once, its features repeated for the head with its dropout on."""
    features = model.features(image)
    dropouts = [layer for layer in model.head if isinstance(layer, torch.nn.Dropout)]
    try:
        for layer in dropouts:
            layer.training = True
        return model.head(features.repeat(passes, *[1] * (features.ndim - 1))).unflatten(0, (passes, len(image)))
    finally:
        for layer in dropouts:
            layer.training = False


@torch.inference_mode()
def _in_turn(
    quick: dict[str, Callable[[], Any]], slow: dict[str, Callable[[], Any]], settings: Settings
) -> dict[str, list[float]]:
    """Time each way in every round, the slow ones in some rounds spread evenly, after one round to warm up.

    After it ours has drawn its masks, as it has from the second batch of a run on.
    """
    times: dict[str, list[float]] = {name: [] for name in (*quick, *slow)}
    for way in quick.values():
        way()
    slow_rounds = {number * settings.rounds // settings.slow_rounds for number in range(settings.slow_rounds)}
    for number in range(settings.rounds):
        for name, way in {**quick, **(slow if number in slow_rounds else {})}.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    return times

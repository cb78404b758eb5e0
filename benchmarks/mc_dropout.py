"""The passes of Monte Carlo dropout beside other ways to compute them, in turn."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from benchmarks.shared import time_in_turn
from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import McDropout, naive_passes

# Images that go through a network together where the batch is repeated: all 1,600 at once would take many gigabytes.
REPEATED_IMAGES = 64


class Case(NamedTuple):
    """A network and an image size; its weights are random, which takes the same time as any."""

    name: str
    model: str
    size: int


CASES = (
    Case("VGG16, 150 px", "vgg16", size=150),  # the size of paper 001, Figure 3.5
    Case("MobileNetV2, 224 px", "mobilenetv2_100", size=224),
)


class Settings(NamedTuple):
    """What is measured; ``rates`` are those of the two dropouts in the head of paper 001.

    Slow ways are measured in ``slow_rounds`` of the rounds, with ``slow_passes``, and scaled up to ``passes``.
    """

    passes: int = 100
    batch: int = 16
    rates: tuple[float, float] = (0.5, 0.5)
    rounds: int = 20
    slow_rounds: int = 3
    slow_passes: int = 100


@torch.inference_mode()
def measure(case: Case, settings: Settings) -> dict[str, Any]:
    """Time all ways in turn, and return the medians in milliseconds with their ratios.

    The ways are: one pass without dropout; ours; ``features``, the backbone once and its features repeated through the
    head for each pass; ``repeat``, the batch repeated for each pass (as torch-uncertainty does it on a batch), some
    images at a time; ``naive``, the whole network once per pass.

    Returns:
        The settings, ``<way>_ms``, ``ratio`` (ours over one pass), and by how much ours is faster: ``over_<way>``.
    """
    model = build(case, settings.rates)
    image = torch.rand(settings.batch, 3, case.size, case.size, generator=torch.Generator().manual_seed(0))
    sampler = McDropout(model, settings.passes, seed=0)
    ways: dict[str, Callable[[int], object]] = {
        "plain": lambda _: model(image),
        "ours": lambda _: sampler(image),  # has drawn its masks, as from the second batch of a run on
        "features": lambda _: repeated_features(model, image, settings.passes),
        "repeat": lambda _: repeated_batch(model, image, settings.slow_passes),
        "naive": lambda _: naive_passes(model, image, settings.slow_passes),
    }
    slow = ("repeat", "naive")
    times = time_in_turn(ways, slow, settings.rounds, settings.slow_rounds)
    row: dict[str, Any] = {"case": case.name, **settings._asdict()}
    row["rates"] = " ".join(map(str, settings.rates))
    for name, (_, seconds) in times.items():
        factor = settings.passes / settings.slow_passes if name in slow else 1
        row[f"{name}_ms"] = 1000 * seconds * factor
    row["ratio"] = row["ours_ms"] / row["plain_ms"]
    for name in ("naive", "repeat", "features"):
        row[f"over_{name}"] = row[f"{name}_ms"] / row["ours_ms"]
    return row


def build(case: Case, rates: tuple[float, float]) -> Classifier:
    """Return a network with random weights and the head of paper 001 (Figure 3.5), in eval mode."""
    backbone = build_backbone(case.model, {}, None, case.size)
    first, second = rates
    layers: list[str | dict[str, Any]] = [{"dropout": first}, "gap", {"dense": 256}, "batchnorm", {"dropout": second}]
    head = build_head(layers, backbone.out_shape, 1, backbone.layout, backbone.prefix_tokens)
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


@torch.no_grad()
def repeated_features(model: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K): the backbone once, its features repeated for the head with its dropout on."""
    features = model.features(image)
    for layer in model.head.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.train()
    logits: torch.Tensor = model.head(features.repeat(passes, *[1] * (features.ndim - 1)))
    model.eval()
    return logits.reshape(passes, len(image), -1)

"""What a network asks for: operations and operators, counted on the network itself while nothing is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from common.config.compose import check_config
from common.config.schema import Config, StageConfig
from common.paths import ROOT
from lightning_modules.backbones.backbone import resolve_modules, set_modes, set_trainable
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.stages.fit import stages_of

COUNTED_BATCH = 2  # BatchNorm needs two images
CLASSES = ("hem", "all")


@dataclass(frozen=True)
class Cost:
    """What a network asks for.

    Attributes:
        flops: Operations of one image; a multiplication and an addition are two.
        operators: Operators that one batch starts, of whatever size.
    """

    flops: float
    operators: int


@dataclass(frozen=True)
class StageCost:
    """A stage: forward alone, as in validation, and forward with the backward pass of what trains."""

    name: str
    epochs_least: int
    epochs_most: int
    forward: Cost
    training: Cost


class OperatorCount(TorchDispatchMode):
    """Counts the operators that PyTorch starts, views left out."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Count an operator and run it."""
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def composed(*overrides: str) -> Config:
    """Return the configuration that ``train.py`` would be given by the overrides, with weights from nowhere."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return check_config(compose("train", [*overrides, "weights=random"]))


def stage_costs(config: Config) -> list[StageCost]:
    """Return what each stage of an experiment asks for, counted on its own network at its own size.

    Nothing is computed: the network lies on torch's meta device. Convolutions, matrices and attention are counted, the
    rest (normalisation, activations, pooling) is left out, as is usual.
    """
    model = build_classifier(config, CLASSES, None)[0].to("meta")
    stopping = config.callbacks.early_stopping
    found = []
    for name, stage in stages_of(config).items():
        apply_stage(model, stage)
        most = stage.max_epochs
        if stopping.enabled:
            least = min(most, 1 + (stage.patience or stopping.patience))
        else:
            least = most
        costs = [_count(lambda kind=kind: _pass(model, config, kind)) for kind in ("forward", "training")]
        found.append(StageCost(name, least, most, *costs))
    return found


def apply_stage(model: Classifier, stage: StageConfig) -> None:
    """Freeze and unfreeze, and set the modes, as a training of the stage does."""
    names = resolve_modules(model.backbone, stage.train)
    set_trainable(model.backbone, names)
    model.head.requires_grad_(True)
    model.head.train()
    set_modes(model.backbone, names, stage.batchnorm)


def random_images(config: Config, batch: int, device: str) -> torch.Tensor:
    """Return images of noise, float32 (batch, 3, H, W), of the size that an experiment has."""
    size = config.prepare.size
    height, width = (size, size) if isinstance(size, int) else size
    return torch.rand(batch, 3, height, width, device=device)


def _pass(model: Classifier, config: Config, kind: str) -> None:
    """One pass over two images of nothing."""
    with torch.set_grad_enabled(kind == "training"):
        logits = model(random_images(config, COUNTED_BATCH, "meta"))
        if kind == "training":
            model.loss(logits, torch.zeros(COUNTED_BATCH, dtype=torch.long, device="meta"), weighted=True).backward()


def _count(run: Callable[[], None]) -> Cost:
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward_flops}) as flops:
        run()
    with OperatorCount() as operators:
        run()
    return Cost(flops.get_total_flops() / COUNTED_BATCH, operators.count)


def _backward_flops(  # noqa: PLR0913
    grad_out: Any,
    image: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    output_mask: Sequence[bool],
    **_: Any,
) -> int:
    """Of shapes: each of the two gradients takes as many operations as the convolution itself.

    torch's own count takes the convolutions of depthwise networks for full ones: MobileNetV2's come out sevenfold.
    """
    return sum(output_mask[:2]) * conv_flop_count(image, weight, grad_out, transposed)

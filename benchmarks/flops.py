"""Operations and operators of a network, counted on torch's meta device: nothing is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from common.config.schema import Config
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.stages.plan import stage_settings, stages_of

COUNTED_BATCH = 2  # BatchNorm needs two images
CLASSES = ("hem", "all")


@dataclass(frozen=True)
class Cost:
    """Cost of a pass through a network.

    Attributes:
        flops: Operations of one image; a multiplication and an addition are two.
        operators: Operators that one batch starts, of whatever size.
    """

    flops: float
    operators: int


@dataclass(frozen=True)
class StageCost:
    """Cost of a stage: forward alone, as in validation, and forward with the backward pass of what trains.

    Attributes:
        name: Of the stage.
        epochs_least: Where it stops as early as its patience allows.
        epochs_most: All of its epochs.
        forward: Of validation.
        training: Of training.
    """

    name: str
    epochs_least: int
    epochs_most: int
    forward: Cost
    training: Cost


class OperatorCount(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch has no types here
    """Counts the operators that PyTorch starts, views left out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch has no types here
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Count an operator and run it."""
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def stage_costs(config: Config) -> list[StageCost]:
    """Return the cost of each stage of an experiment, counted on its own network at its own image size.

    Convolutions, matrix products and attention are counted; normalisation, activations and pooling are left out, as is
    usual.
    """
    model = build_classifier(config, CLASSES, None)[0].to("meta")
    stopping = config.callbacks.early_stopping
    costs = []
    for name, stage in stages_of(config).items():
        model.configure_stage(stage_settings(config, stage))
        most = stage.max_epochs or config.trainer.max_epochs
        least = most
        if stopping.enabled:
            least = min(most, 1 + (stage.patience or stopping.patience))
        forward = _count(partial(_forward, model, config))
        training = _count(partial(_train, model, config))
        costs.append(StageCost(name, least, most, forward, training))
    return costs


def random_images(config: Config, batch: int, device: str) -> torch.Tensor:
    """Return images of noise, float32 (batch, 3, H, W), of the size of an experiment."""
    size = config.prepare.size
    height, width = (size, size) if isinstance(size, int) else size
    return torch.rand(batch, 3, height, width, device=device)


def _forward(model: Classifier, config: Config) -> None:
    with torch.no_grad():
        model(random_images(config, COUNTED_BATCH, "meta"))


def _train(model: Classifier, config: Config) -> None:
    logits = model(random_images(config, COUNTED_BATCH, "meta"))
    labels = torch.zeros(COUNTED_BATCH, dtype=torch.long, device="meta")
    torch.autograd.backward(model.loss(logits, labels, weighted=True))


def _count(run: Callable[[], None]) -> Cost:
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: backward_flops}) as flops:
        run()
    with OperatorCount() as operators:
        run()
    return Cost(flops.get_total_flops() / COUNTED_BATCH, operators.count)


def backward_flops(grad_out: Any, image: Any, weight: Any, *args: Any, **_: Any) -> int:
    """Return the operations of a convolution's backward pass, of shapes: the arguments of aten.convolution_backward.

    Each of the two gradients takes as many operations as the convolution itself. torch's own count takes the
    convolutions of depthwise networks for full ones: MobileNetV2's come out sevenfold.
    """
    transposed: bool = args[4]
    output_mask: Sequence[bool] = args[7]
    return sum(output_mask[:2]) * conv_flop_count(image, weight, grad_out, transposed)

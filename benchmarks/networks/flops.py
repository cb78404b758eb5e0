"""Operations and operators of a network, counted on torch's meta device, and a check of them by real steps."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from common.config.compose import compose_config
from common.config.schema import Config
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.compat import TorchDispatchMode
from lightning_modules.stages.plan import stages_of

COUNTED_BATCH = 2  # BatchNorm needs two images
CLASSES = ("hem", "all")


class Cost(NamedTuple):
    """Operations of one image (a multiplication and an addition are two); operators that a batch of any size starts."""

    flops: float
    operators: int


class StageCost(NamedTuple):
    """Cost of a stage: forward alone, as in validation, and forward with the backward pass of what trains.

    ``epochs_least`` are those of a stage that stops as early as its patience allows.
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
    image = _noise(config, COUNTED_BATCH, "meta")
    label = torch.zeros(COUNTED_BATCH, dtype=torch.long, device="meta")

    def predict() -> None:
        with torch.no_grad():
            model(image)

    stopping = config.callbacks.early_stopping
    costs = []
    for name, stage in stages_of(config).items():
        model.configure_stage(stage)
        most = stage.max_epochs or config.trainer.max_epochs
        least = most
        if stopping.enabled:
            least = min(most, 1 + (stage.patience or stopping.patience))
        training = _count(lambda: _train(model, image, label))
        costs.append(StageCost(name, least, most, _count(predict), training))
    return costs


def _noise(config: Config, batch: int, device: str) -> torch.Tensor:
    size = config.prepare.size
    height, width = (size, size) if isinstance(size, int) else size
    return torch.rand(batch, 3, height, width, device=device)


def _train(model: Classifier, image: torch.Tensor, label: torch.Tensor) -> None:
    torch.autograd.backward(model.loss(model(image), label, weighted=True))


def _count(run: Callable[[], None]) -> Cost:
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: backward_flops}) as flops:
        run()
    with OperatorCount() as operators:
        run()
    return Cost(flops.get_total_flops() / COUNTED_BATCH, operators.count)


def backward_flops(grad_out: Any, image: Any, weight: Any, *args: Any, **_: Any) -> int:
    """Return the operations of a convolution's backward pass, of shapes: the arguments of aten.convolution_backward.

    Each of the two gradients takes as many as the convolution itself; torch's own count takes depthwise convolutions
    for full ones.
    """
    transposed: bool = args[4]
    output_mask: Sequence[bool] = args[7]
    return sum(output_mask[:2]) * conv_flop_count(image, weight, grad_out, transposed)


def check_on_cpu(name: str, batch: int = 8, steps: int = 3) -> dict[str, Any]:
    """Compare the arithmetic with real training steps on one core: seconds of CPU time of a step of the last stage.

    The core's own GFLOP/s are those of a large matrix product, so the prediction is what a network would take that
    used the core as well as that does.
    """
    config = compose_config(
        [f"+experiment={name}", "weights=random", "trainer.accelerator=cpu", f"loader.batch_size={batch}"]
    )
    stage = stage_costs(config)[-1]
    model = build_classifier(config, CLASSES, None)[0]
    model.configure_stage(list(stages_of(config).values())[-1], steps)
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    image = _noise(config, batch, "cpu")
    label = torch.arange(batch) % 2

    def step() -> None:
        optimizer.zero_grad()
        _train(model, image, label)
        optimizer.step()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right = torch.rand(2, 1024, 1024)
        speed = 2 * 1024**3 / _fastest(lambda: left @ right, 5)  # operations of the matrix product per second
        measured = _fastest(step, steps + 1)
    finally:
        torch.set_num_threads(threads)
    predicted = batch * stage.training.flops / speed
    return {
        "experiment": name,
        "stage": stage.name,
        "batch": batch,
        "gflops_step": batch * stage.training.flops / 1e9,
        "matrix_gflops_s": speed / 1e9,
        "predicted_s": predicted,
        "measured_s": measured,
        "measured_over_predicted": measured / predicted,
    }


def _fastest(run: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)

"""The error of a plan's arithmetic: the same on one core, beside real training steps."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.flops import CLASSES, random_images, stage_costs
from common.config.compose import compose_config
from common.config.schema import Config
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.stages.plan import stage_settings, stages_of


def check_on_cpu(name: str, batch: int = 8, steps: int = 3) -> dict[str, Any]:
    """Compare the arithmetic with real training steps on one core: seconds of CPU time of a step of the last stage.

    The core's own GFLOP/s are those of a large matrix product, so the prediction is what a network would take that
    used the core as well as that does.
    """
    config = compose_config(
        [f"+experiment={name}", "weights=random", "trainer.accelerator=cpu", f"loader.batch_size={batch}"]
    )
    stage = stage_costs(config)[-1]
    last = list(stages_of(config).values())[-1]
    model = build_classifier(config, CLASSES, None)[0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right = torch.rand(2, 1024, 1024)
        speed = 2 * 1024**3 / _fastest(lambda: left @ right, 5)  # operations of the matrix product per second
        model.configure_stage(stage_settings(config, last, steps))
        measured = _step_seconds(model, config, steps)
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
    """CPU seconds of the fastest of some rounds."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def _step_seconds(model: Classifier, config: Config, steps: int) -> float:
    """CPU seconds of a training step, the best of some."""
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    image = random_images(config, config.loader.batch_size, "cpu")
    label = torch.arange(len(image)) % 2

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(model.loss(model(image), label, weighted=True))
        optimizer.step()

    return _fastest(step, steps + 1)

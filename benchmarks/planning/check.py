"""How far the arithmetic of a plan can be off: the same on one core, beside real training steps."""

import math
import time
from typing import Any

import torch

from benchmarks.planning.flops import CLASSES, apply_stage, composed, random_images, stage_costs
from common.config.schema import Config
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.stages.fit import stages_of


def check_on_cpu(name: str, batch: int = 8, steps: int = 3) -> dict[str, Any]:
    """Compare the arithmetic with real training steps on one core: seconds of CPU time of a step of the last stage.

    The core's own GFLOP/s are those of a large matrix product, so the prediction is what a network would take that
    used the core as well as that does.
    """
    config = composed(f"+experiment={name}", "trainer.accelerator=cpu", f"loader.batch_size={batch}")
    stage = stage_costs(config)[-1]
    last = list(stages_of(config).values())[-1]
    model = build_classifier(config, CLASSES, None)[0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        speed = _matrix_speed()
        apply_stage(model, last)
        model.learning_rate = last.lr
        model.stage_steps = steps
        measured = _step_seconds(model, config, steps)
    finally:
        torch.set_num_threads(threads)
    predicted = batch * stage.training.flops / speed
    facts = {"experiment": name, "stage": stage.name, "batch": batch, "gflops_step": batch * stage.training.flops / 1e9}
    times = {"predicted_s": predicted, "measured_s": measured, "measured_over_predicted": measured / predicted}
    return {**facts, "matrix_gflops_s": speed / 1e9, **times}


def _matrix_speed(side: int = 1024, rounds: int = 5) -> float:
    """Operations per second of CPU time of a matrix product, the best of some rounds."""
    left = torch.rand(side, side)
    right = torch.rand(side, side)
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        left @ right
        best = min(best, time.process_time() - start)
    return 2 * side**3 / best


def _step_seconds(model: Classifier, config: Config, steps: int) -> float:
    """CPU seconds of a training step, the best of some."""
    configured = model.configure_optimizers()
    if isinstance(configured, dict):
        optimizer = configured["optimizer"]
    else:
        optimizer = configured
    image = random_images(config, config.loader.batch_size, "cpu")
    label = torch.arange(len(image)) % 2
    best = math.inf
    for _ in range(steps + 1):
        start = time.process_time()
        optimizer.zero_grad()
        model.loss(model(image), label, weighted=True).backward()
        optimizer.step()
        best = min(best, time.process_time() - start)
    return best

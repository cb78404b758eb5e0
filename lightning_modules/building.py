"""From the configuration to a classifier, with every name checked before a run is opened."""

import difflib
from pathlib import Path

import numpy as np
import torch

from common.errors import UserError
from common.files import sha256_of_file
from common.runs import is_finished, read_status
from common.schema import Config, TrainerConfig
from common.seeds import derive_seed
from lightning_modules.backbones import resolve_modules
from lightning_modules.classifier import Classifier
from lightning_modules.heads import build_head
from lightning_modules.optimization import optimizer_class
from lightning_modules.staged_training import load_checkpoint, stages_of
from lightning_modules.weights import WeightsInfo, build_pretrained


def build_classifier(
    config: Config, classes: int, class_weights: np.ndarray | None
) -> tuple[Classifier, dict[str, str | None]]:
    """Build the network with its first weights, and check device, optimisers and module names of all stages.

    Args:
        config: The typed configuration.
        classes: How many classes the data have.
        class_weights: float64, shape (classes,), or None.

    Returns:
        The classifier, and the content hashes ("weights", "init_from") that belong to the run's identity.

    Raises:
        UserError: A name, a weights file or a device is wrong or absent; see the modules that build the parts.
    """
    check_device(config.trainer)
    torch.manual_seed(derive_seed(config.seed))
    backbone, info = build_pretrained(config.model, config.weights, config.prepare.size)
    _check_batchnorm(config, info)
    for stage in stages_of(config).values():
        resolve_modules(backbone.module, stage.train)
        optimizer_class(stage.optimizer or config.optimizer.name)
    logits = config.head.logits or classes
    head = build_head(config.head.layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    weights = None if class_weights is None else torch.as_tensor(class_weights)
    model = Classifier(
        backbone.module, head, info.mean, info.std, classes, config.loss, config.optimizer, config.scheduler, weights
    )
    start = None
    if config.init_from:
        best = best_checkpoint(Path(config.init_from))
        load_checkpoint(model, best)
        start = sha256_of_file(best)
    return model, {"weights": info.sha256 or info.source, "init_from": start}


def best_checkpoint(run: Path) -> Path:
    """Return the best checkpoint of a finished run.

    Raises:
        UserError: The folder is no finished run.
    """
    if not is_finished(run):
        raise UserError(f"init_from={run} is no finished run: name a folder such as outputs/<name>/<fold>/seed=0")
    return run / read_status(run)["best"]


def check_device(trainer: TrainerConfig) -> None:
    """Refuse a device that is asked for and absent, or a precision or strategy that Lightning does not know.

    Raises:
        UserError: No such device here.
    """
    wanted = trainer.accelerator
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    absent = (wanted in present and not present[wanted]) or (wanted == "gpu" and not any(present.values()))
    if absent:
        raise UserError(
            f"trainer.accelerator={wanted}, but torch {torch.__version__} sees no such device here: "
            "use trainer.accelerator=cpu or auto"
        )
    known = ("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true")
    if trainer.precision not in known:
        near = difflib.get_close_matches(trainer.precision, known, n=1, cutoff=0.3) or known
        raise UserError(f"trainer.precision={trainer.precision} is not one of {', '.join(known)}: try {near[0]}")


def _check_batchnorm(config: Config, info: WeightsInfo) -> None:
    """Weights with folded BatchNorm have no statistics of their own to go on from."""
    if not info.freeze_batchnorm:
        return
    for name, stage in stages_of(config).items():
        if stage.train and stage.batchnorm == "train":
            raise UserError(f"{config.weights} has its BatchNorm folded: set unfreeze.stages.{name}.batchnorm=frozen")

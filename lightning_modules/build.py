"""From the configuration to a classifier, with every name checked before a run is opened."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.config.schema import Config, StageConfig
from common.errors import UserError
from common.files import sha256_of_file
from common.runs.run import is_finished, read_status
from common.seeds import derive_seed
from lightning_modules.backbones.backbone import Backbone, resolve_modules
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.pretrained import WeightsInfo, build_pretrained
from lightning_modules.classifier import Classifier
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.optimizers import build_optimizer, build_scheduler
from lightning_modules.stages.fit import build_trainer, load_checkpoint, optimizer_of, stages_of


def build_classifier(
    config: Config, classes: Sequence[str], class_weights: np.ndarray | None
) -> tuple[Classifier, dict[str, str | None]]:
    """Build the network with its first weights, and check device, optimisers and module names of all stages.

    Args:
        config: The typed configuration.
        classes: The names of the classes, in the order of their indices.
        class_weights: float64, shape (classes,), or None.

    Returns:
        The classifier, and the content hashes ("weights", "init_from") that belong to the run's identity.

    Raises:
        UserError: A name, a weights file or a device is wrong or absent; see the modules that build the parts.
    """
    check_device(config)
    _check_logits(config, len(classes))
    torch.manual_seed(derive_seed("weights", config.seed))
    backbone, info = build_pretrained(config.model, config.weights, config.prepare.size)
    _check_batchnorm(config, info)
    for stage in stages_of(config).values():
        resolve_modules(backbone.module, stage.train)
        _check_optimizer(config, stage)
    if class_weights is None:
        weights = None
    else:
        weights = torch.as_tensor(class_weights)
    model = assemble(config, backbone, info.mean, info.std, info.args, len(classes), weights)
    if config.inference.mc_passes:
        check_dropout(model, config.inference.mc_passes, config.prepare.size)
    if config.trainer.channels_last:
        # Convolutions hand the layout of their weights on to their outputs: the images need no conversion.
        model.to(memory_format=torch.channels_last)
    if config.init_from:
        start = _start_from(model, Path(config.init_from), classes)
    else:
        start = None
    return model, {"weights": info.content_hash(), "init_from": start}


def assemble(  # noqa: PLR0913
    config: Config,
    backbone: Backbone,
    mean: Sequence[float],
    std: Sequence[float],
    network_args: dict[str, Any],
    classes: int,
    class_weights: torch.Tensor | None = None,
) -> Classifier:
    """Put a head on a backbone as ``config.head`` says; the arguments are those of :class:`Classifier`.

    Raises:
        UserError: The head does not fit the backbone's features.
    """
    logits = config.head.logits or classes
    head = build_head(config.head.layers, backbone.out_shape, logits, backbone.layout, backbone.prefix_tokens)
    how = (config.loss, config.optimizer, config.scheduler, class_weights, network_args)
    return Classifier(backbone.module, head, tuple(mean), tuple(std), classes, *how)


def best_checkpoint(run: Path) -> Path:
    """Return the best checkpoint of a finished run.

    Raises:
        UserError: The folder is no finished run.
    """
    if not is_finished(run):
        raise UserError(f"init_from={run} is no finished run: name a folder such as outputs/<name>/<fold>/seed=0")
    return run / read_status(run)["best"]


def check_device(config: Config) -> None:
    """Refuse a device that is asked for and absent, and what Lightning's Trainer does not take.

    Raises:
        UserError: No such device here, or a wrong value of a key of ``trainer``.
    """
    trainer = config.trainer
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    wanted = trainer.accelerator
    if (wanted in present and not present[wanted]) or (wanted == "gpu" and not any(present.values())):
        raise UserError(
            f"trainer.accelerator={wanted}, but torch {torch.__version__} sees no such device here: "
            "use trainer.accelerator=cpu or auto"
        )
    if trainer.sync_batchnorm and not (present["cuda"] and wanted in ("auto", "gpu", "cuda")):
        raise UserError(
            "trainer.sync_batchnorm=true is for GPUs: leave it false, or set batchnorm: frozen for the unfreeze.stages"
        )
    try:
        build_trainer(config, 1, [], [])
    except Exception as error:  # Lightning raises half a dozen kinds; each says which argument it refuses
        raise UserError(f"trainer: {' '.join(str(error).split())}") from error


def _start_from(model: Classifier, run: Path, classes: Sequence[str]) -> str:
    """Load the best of another run; return the SHA-256 of its file."""
    best = best_checkpoint(run)
    theirs = json.loads((run / "data.json").read_text())["classes"]
    if theirs != list(classes):
        raise UserError(f"init_from={run}: its classes are {', '.join(theirs)}, here they are {', '.join(classes)}")
    if json.loads((run / "model.json").read_text()) != model.facts():
        way_out = "use its weights= and model.args here too"
        raise UserError(
            f"init_from={run}: its network has other arguments, or images of another mean and std: {way_out}"
        )
    load_checkpoint(model, best)
    return sha256_of_file(best)


def _check_optimizer(config: Config, stage: StageConfig) -> None:
    """Build the stage's optimiser and schedule once, over one number, to hear what torch says of them."""
    one = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = build_optimizer(optimizer_of(config, stage), one, stage.lr)
    build_scheduler(config.scheduler, optimizer, stage.lr, steps=10)


def _check_batchnorm(config: Config, info: WeightsInfo) -> None:
    """Weights with folded BatchNorm have no statistics of their own to go on from."""
    if not info.freeze_batchnorm:
        return
    for name, stage in stages_of(config).items():
        if stage.train and stage.batchnorm == "train":
            raise UserError(f"{config.weights} has its BatchNorm folded: set unfreeze.stages.{name}.batchnorm=frozen")


def _check_logits(config: Config, classes: int) -> None:
    """One output decides between two classes; more classes need one each."""
    logits = config.head.logits
    if logits not in (None, classes) and (logits, classes) != (1, 2):
        raise UserError(f"head.logits={logits} does not fit {classes} classes: set head.logits={classes}")

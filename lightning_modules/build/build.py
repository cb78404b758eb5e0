"""From the configuration to a classifier, with every name checked before a run is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from karyocyte.config.schema import Config, StageConfig, TrainingConfig
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.stages import stages_of
from lightning_modules.backbones.backbone import Backbone, check_modules, count_logits
from lightning_modules.backbones.patches import check_size
from lightning_modules.backbones.pretrained import WeightsInfo, build_pretrained
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.losses import OwnLoss, build_losses, check_loss
from lightning_modules.modules.classifier import Classifier, Hyperparameters
from lightning_modules.optimizers import build_optimizer, build_scheduler
from lightning_modules.training.extensions import check_extensions
from lightning_modules.training.trainer import check_trainer


@dataclass(frozen=True)
class InitialisedBackbone:
    """A backbone with its first weights, and torch's random state after it, from which the head's weights are drawn."""

    backbone: Backbone
    info: WeightsInfo
    random_state: torch.Tensor


def initialise_backbone(config: TrainingConfig) -> InitialisedBackbone:
    """Build the backbone with its first weights, and check all that needs neither images nor classes.

    Raises:
        UserError: A name, a weights file or a device is wrong or absent; see the modules that build the parts.
    """
    check_trainer(config)
    check_extensions(config)
    if isinstance(config, Config):
        build_losses(config.loss)
    torch.manual_seed(derive_seed("weights", config.seed))
    folders = WeightsFolders.from_config(config)
    backbone, info = build_pretrained(config.model, config.weights, config.backbone_size, config.pretrained, folders)
    state = torch.get_rng_state()
    if config.model.args:
        from lightning_modules.backbones.arguments import check_model_args  # here: few trainings have some

        check_model_args(config.model.name, config.model.args)
    if isinstance(config, Config):
        check_size(backbone.module, config.prepare.size)
    for name, stage in stages_of(config).items():
        if info.freeze_batchnorm and stage.train and stage.batchnorm == "train":
            raise UserError(f"{config.weights} has its BatchNorm folded: set unfreeze.stages.{name}.batchnorm=frozen")
        check_modules(backbone.module, stage.train)
        _check_optimizer(config, f"unfreeze.stages.{name}.", stage)
    return InitialisedBackbone(backbone, info, state)


def _check_optimizer(config: TrainingConfig, section: str, stage: StageConfig) -> None:
    # torch checks the arguments of optimiser and schedule over one number.
    number = [torch.nn.Parameter(torch.zeros(1))]
    key = section * bool(stage.optimizer) + "optimizer"
    optimizer = build_optimizer(stage.optimizer or config.optimizer, number, stage.lr, key)
    key = section * bool(stage.scheduler) + "scheduler"
    build_scheduler(stage.scheduler or config.scheduler, optimizer, steps=10, key=key)


def build_classifier(
    config: Config, classes: Sequence[str], first: InitialisedBackbone | None = None
) -> tuple[Classifier, dict[str, str | None]]:
    """Build the network with its first weights, and check what of the configuration depends on the classes.

    ``first`` is built here where it is None.

    Returns:
        The classifier, and the content hashes ("weights", "init_from") that belong to the run's identity.

    Raises:
        UserError: As ``initialise_backbone``; or a number of logits, a loss or another run does not fit the classes.
    """
    first = first or initialise_backbone(config)
    backbone, info = first.backbone, first.info
    logits = config.head.logits
    if logits not in (None, len(classes)) and (logits, len(classes)) != (1, 2):
        raise UserError(f"head.logits={logits} does not fit {len(classes)} classes: set head.logits={len(classes)}")
    facts = ModelFacts(list(info.mean), list(info.std), info.args)
    torch.set_rng_state(first.random_state)
    model = Classifier.from_parameters(parameters_of(config, facts, len(classes)), backbone)
    if isinstance(model.training_loss, OwnLoss):
        check_loss(model.training_loss, logits or len(classes))
    if config.inference.mc_passes:
        from lightning_modules.prediction.mc_dropout import check_dropout

        check_dropout(model, config.inference.mc_passes)
    if config.trainer.channels_last:
        # Convolutions pass the layout of their weights on to their outputs: the images need no conversion.
        model.to(memory_format=torch.channels_last)
    contents: dict[str, str | None] = {"weights": info.content_hash(), "init_from": None}
    if config.init_from:
        from lightning_modules.build.start import load_start  # here: most trainings begin without one

        contents["init_from"] = load_start(model, config, Path(config.init_from), classes)
    return model, contents


def parameters_of(config: Config, facts: ModelFacts, num_classes: int, lr: float = 1e-3) -> Hyperparameters:
    """Return a classifier of a configuration in plain values; the other arguments are those of ``Hyperparameters``."""
    return Hyperparameters(
        backbone=config.model.name,
        args=facts.args,
        cut=config.model.cut,
        image_size=config.backbone_size,
        head=config.head.layers,
        logits=count_logits(config.head, num_classes),
        orientation=config.head.orientation,
        num_classes=num_classes,
        mean=facts.mean,
        std=facts.std,
        loss=config.loss.model_dump(),
        optimizer=config.optimizer.entry,
        scheduler=config.scheduler.model_dump(),
        lr=lr,
    )

"""A classifier in Python: that of an experiment, any network of timm, or one of the user's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python
from torch import nn
from typing_extensions import TypeVar

from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import CONF, ROOT
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.config.python_words import in_python_words
from karyocyte.config.schema import Config, StageConfig, as_classifier
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.stages import stages_of
from lightning_modules.backbones.backbone import Backbone, image_scale
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.truncation import ImageSize, Removed
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.build.build import parameters_of
from lightning_modules.modules.classifier import Classifier, Hyperparameters
from lightning_modules.modules.own_network import own_backbone
from lightning_modules.optimizers import TrainingSettings

# The number of classes of the sources whose experiments have an output for each.
CLASSES = {"chromosomes": len(CHROMOSOMES), "chromosome_sets": len(CHROMOSOMES), "mnist": 10, "cifar10": 10}
# The argument of each key that an error may name.
ARGUMENTS = {"model.name": "backbone", "model.cut": "cut", "head.layers": "head", "unfreeze.lr": "lr"}
ARGUMENTS |= {"prepare.size": "image_size", "head.logits": "num_classes"}
ARGUMENTS |= {name: name for name in ("experiment", "weights", "optimizer", "scheduler")}

AnyClassifier = TypeVar("AnyClassifier", bound=Classifier, default=Classifier)


def create_classifier(  # noqa: PLR0913 (what a classifier is made of)
    backbone: str | nn.Module | None = None,
    num_classes: int | None = None,
    *,
    experiment: str | None = None,
    cut: str | None = None,
    weights: str | None = None,
    image_size: ImageSize | None = None,
    head: Sequence[str | dict[str, Any]] | None = None,
    optimizer: str | None = None,
    scheduler: str | None = None,
    lr: float | None = None,
    cls: type[AnyClassifier] = Classifier,  # type: ignore[assignment]  # the default of the type variable
) -> AnyClassifier:
    """Build a classifier for any Trainer: that of an experiment, a timm network with a head, or one of your own.

        create_classifier(experiment="anet_c6_chromosomes")
        create_classifier("resnet50", num_classes=3, cut="layer3", weights="resnet50.tv_in1k", optimizer="adamw")
        create_classifier(torchvision.models.resnet18(num_classes=3), num_classes=3)

    Of an experiment all other arguments have its values where they are None; a plain fit then trains what its last
    stage trains, at its rate. Otherwise all layers train. First weights are drawn from torch's present random state.

    Args:
        backbone: timm's name of the network, or one of `lightning_modules.networks`; or a module that maps images, (n,
            3, h, w) and normalised as those of ImageNet, to logits (n, classes), or with a ``head`` to features. Its
            checkpoints hold its weights alone: ``Classifier.load_from_checkpoint(path, network=module)``.
        num_classes: Number of classes; two share one logit.
        experiment: The name of a file of conf/experiment/.
        cut: Name of the module whose output are the features; None: the whole network.
        weights: As ``weights`` of conf/train.yaml, such as a file in the folder of KARYOCYTE_WEIGHTS_DIR; None: random.
        image_size: Side of the images in pixels, or height and width; None: 224.
        head: As ``head.layers`` of conf/train.yaml; None: ``["gap"]``. One linear layer to the logits follows. None for
            a module: it gives the logits.
        optimizer: The name of a file of conf/optimizer/; None: adam.
        scheduler: The name of a file of conf/scheduler/; None: a constant rate.
        lr: Learning rate; None: 1e-3.
        cls: The class of the classifier, `Classifier` or one below it.

    Raises:
        UserError: Anything that does not fit; or the network usually has more than one layer behind its features, and
            ``head`` is None.
    """
    counted = backbone is None or num_classes is not None
    if (backbone is None) == (experiment is None) or not counted or isinstance(backbone, type):
        usage = "create_classifier('resnet18', num_classes=3) or create_classifier(experiment='anet_c6_chromosomes')"
        either = "name either a network, or give a module, and the number of classes, or an experiment"
        raise UserError(f"{either}: {usage}")
    module = backbone if isinstance(backbone, nn.Module) else None
    if module is not None and (cut or weights):
        raise UserError("cut and weights are of a network by its name: cut a module, or load its weights, beforehand")
    name = None if isinstance(backbone, nn.Module) else backbone
    groups = {"experiment": experiment, "optimizer": optimizer, "scheduler": scheduler}
    keys = {"model.name": name, "model.cut": cut, "weights": weights, "head.layers": head, "unfreeze.lr": lr}
    with in_python_words(ARGUMENTS):
        config = _chosen_config(groups, {**keys, "prepare.size": image_size}, num_classes)
        if config.loss.class_weights == "balanced":
            raise UserError(
                "loss.class_weights=balanced counts training images: list a weight per class in the experiment"
            )
        classes = num_classes or CLASSES.get(config.data.source) or max(config.head.logits or 0, 2)
        if module is None:
            given, network = _of_names(config, classes)
        else:
            given, network = _of_module(module, config, classes, has_head=head is not None)
        if name and head is None and cut is None:
            _check_usual_head(name, network)
        model = cls.from_parameters(given, network)
    model.save_hyperparameters(dict(model.hparams))  # once more: these are for the loggers, too
    if config.init_from:
        from lightning_modules.build.start import load_start

        load_start(model, config, ROOT / config.init_from, CHROMOSOMES)
    if experiment:
        model.configure_stage(_last_stage(config))
    return model


def _of_names(config: Config, num_classes: int) -> tuple[Hyperparameters, Backbone]:
    """Return what a configuration describes, with its first weights."""
    folders = WeightsFolders.from_config(config.weights_dir, config.cache_dir)
    backbone, info = build_pretrained(config.model, config.weights, config.backbone_size, config.pretrained, folders)
    facts = ModelFacts(list(info.mean), list(info.std), info.args)
    return parameters_of(config, facts, num_classes, _settings(config)), backbone


def _of_module(module: nn.Module, config: Config, num_classes: int, has_head: bool) -> tuple[Hyperparameters, Backbone]:
    """Return a module as a backbone, below the head of a configuration, or with one of its own.

    Raises:
        UserError: It has no head, and gives other than a number for each class, or for two classes one.
    """
    backbone = own_backbone(module, config.backbone_size)
    mean, std = image_scale(module)
    given = parameters_of(config, ModelFacts(list(mean), list(std), {}), num_classes, _settings(config))
    given = replace(given, backbone=None)
    if has_head:
        return given, backbone
    shape = backbone.out_shape
    if shape != (num_classes,) and (shape, num_classes) != ((1,), 2):
        remedy = f"set num_classes={shape[0]}, or name a head, such as ['gap'], where these are features"
        raise UserError(f"the network gives {shape} for an image, with num_classes={num_classes}: {remedy}")
    return replace(given, head=None, logits=backbone.out_shape[0]), backbone


def _settings(config: Config) -> TrainingSettings:
    return TrainingSettings(config.loss, config.optimizer, config.scheduler, _last_stage(config).lr)


def _last_stage(config: Config) -> StageConfig:
    return list(stages_of(config).values())[-1]


def _chosen_config(groups: Mapping[str, str | None], keys: Mapping[str, Any], num_classes: int | None) -> Config:
    """Return the configuration of an experiment, or of a network, with the values that are not None."""
    words = (
        [] if groups["experiment"] else ["weights=random", "head.layers=[gap]", "head.logits=null", "unfreeze.lr=1e-3"]
    )
    for group, name in groups.items():
        if name is not None:
            words.append(f"+experiment={name}" if group == "experiment" else f"{group}={name}")
    composed = compose_overrides(words)
    for key, value in keys.items():
        if value is not None:
            OmegaConf.update(composed, key, to_jsonable_python(value))
    if num_classes is not None:
        composed.head.logits = 1 if num_classes == 2 and composed.head.logits != 2 else num_classes
    return as_classifier(check_config(composed))


def _check_usual_head(name: str, backbone: Backbone) -> None:
    """Refuse a network that usually has more than one layer behind its features: a single one would be another."""
    own = [key for key, each in backbone.module.named_modules() if isinstance(each, Removed) and each.had_layers]
    if not own:
        return
    remedy = ""
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        if re.search(rf"override /model: {name}\b", path.read_text(encoding="utf-8")):
            remedy += f"create_classifier(experiment='{path.stem}') or "
    remedy += "head=['gap'] for one linear layer, or head=['flatten', {'dense': 4096}] and so on"
    raise UserError(f"{name} usually has more than one layer behind its features ({', '.join(own)}): say {remedy}")

"""A classifier in Python: that of an experiment, any network of timm, or one of the user's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

from torch import nn
from typing_extensions import TypeVar

from karyocyte.common.errors import UserError
from karyocyte.common.installed import conf_files
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.config.python_words import in_python_words, set_keys
from karyocyte.config.schema import Config, as_classifier
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.stages import stages_of
from lightning_modules.backbones.backbone import Backbone, OwnNetwork, finish_backbone, image_scale
from lightning_modules.backbones.patches import check_size
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.truncation import ImageSize, Removed
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.build.build import parameters_of
from lightning_modules.modules.classifier import Classifier, Hyperparameters

# The number of classes of the sources whose experiments have an output for each.
CLASSES = dict.fromkeys(("chromosomes", "chromosome_sets", "synthetic_chromosomes"), len(CHROMOSOMES))
CLASSES |= {"mnist": 10, "cifar10": 10}
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
            3, h, w) and normalised as those of ImageNet or as its ``pretrained_cfg`` says, to logits (n, classes), or
            with a ``head`` to features. Its checkpoints hold its weights alone:
            ``Classifier.load_from_checkpoint(path, network=module)``.
        num_classes: Number of classes; two share one logit. None for an experiment that says its number.
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
        UserError: Anything that does not fit; an experiment with an output per class, without ``num_classes``; or the
            network usually has more than one layer behind its features, and ``head`` is None.
    """
    if (backbone is None) == (experiment is None) or (backbone is not None and not isinstance(num_classes, Integral)):
        usage = "create_classifier('resnet18', num_classes=3) or create_classifier(experiment='anet_c6_chromosomes')"
        raise UserError(f"name (or give) either a network and the number of classes or an experiment: {usage}")
    name = backbone if isinstance(backbone, str) else None
    module = None if isinstance(backbone, str) else backbone
    if module is not None and (cut or weights or not isinstance(module, nn.Module)):
        raise UserError("give a module as it is to train, not its class, without cut and weights")
    groups = {"experiment": experiment, "optimizer": optimizer, "scheduler": scheduler}
    keys = {"model.name": name, "model.cut": cut, "weights": weights, "head.layers": head, "unfreeze.lr": lr}
    with in_python_words(ARGUMENTS):
        config = _chosen_config(groups, {**keys, "prepare.size": image_size}, num_classes)
        classes = int(num_classes or CLASSES.get(config.data.source) or _classes_of_logits(config, experiment))
        network, facts = _with_first_weights(config, module)
        check_size(network.module, config.prepare.size)
        if name and head is None and cut is None:
            _check_usual_head(name, network)
        stage = list(stages_of(config).values())[-1]
        given = parameters_of(config, facts, classes, stage.lr)
        if module is not None:
            given = _of_module(given, network.out_shape, has_head=head is not None)
        model = cls.from_parameters(given, network)
    model.save_hyperparameters(dict(model.hparams))  # once more: these are for the loggers, too
    if config.init_from:
        from lightning_modules.build.start import load_start

        load_start(model, config, ROOT / config.init_from, CHROMOSOMES)
    if experiment:
        model.configure_stage(stage)
    return model


def _classes_of_logits(config: Config, experiment: str | None) -> int:
    if config.head.logits is None:
        raise UserError(f"{experiment} has an output per class (head.logits is null): say num_classes=3, or how many")
    return max(config.head.logits, 2)


def _with_first_weights(config: Config, module: nn.Module | None) -> tuple[Backbone, ModelFacts]:
    """Return the network of a configuration, or a module in place of it, which keeps its weights."""
    if module is not None:
        mean, std = image_scale(module)
        backbone = finish_backbone(OwnNetwork(module), None, config.backbone_size)
        return backbone, ModelFacts(list(mean), list(std), {})
    folders = WeightsFolders.from_config(config)
    backbone, info = build_pretrained(config.model, config.weights, config.backbone_size, config.pretrained, folders)
    return backbone, ModelFacts(list(info.mean), list(info.std), info.args)


def _of_module(given: Hyperparameters, shape: tuple[int, ...], has_head: bool) -> Hyperparameters:
    """Return the parameters of a module that gives a shape for an image: features of a head, or else the logits."""
    classes = given.num_classes
    if has_head:
        return replace(given, backbone=None)
    if shape != (classes,) and (shape, classes) != ((1,), 2):
        remedy = f"set num_classes={shape[0]}" if len(shape) == 1 else "let it give logits (n, classes)"
        remedy += ", or of features name a head, such as head=['gap'] or head=[]"
        raise UserError(f"the network gives {shape} for an image, with num_classes={classes}: {remedy}")
    return replace(given, backbone=None, head=None, logits=shape[0])


def _chosen_config(groups: Mapping[str, str | None], keys: Mapping[str, Any], num_classes: int | None) -> Config:
    """Return the configuration of an experiment, or of a network, with the values that are not None."""
    words = (
        [] if groups["experiment"] else ["weights=random", "head.layers=[gap]", "head.logits=null", "unfreeze.lr=1e-3"]
    )
    for group, name in groups.items():
        if name is not None:
            words.append(f"+experiment={name}" if group == "experiment" else f"{group}={name}")
    _check_names(groups)
    composed = compose_overrides(words)
    set_keys(composed, {key: value for key, value in keys.items() if value is not None})
    if num_classes is not None:
        composed.head.logits = 1 if num_classes == 2 and composed.head.logits != 2 else int(num_classes)
    return as_classifier(check_config(composed))


def _check_names(groups: Mapping[str, str | None]) -> None:
    for group, name in groups.items():
        if not isinstance(name, str | None):
            raise UserError(f"{group} is the name of a file in conf/{group}/, such as optimizer='adamw': not {name!r}")


def _check_usual_head(name: str, backbone: Backbone) -> None:
    """Refuse a network that usually has more than one layer behind its features: a single one would be another."""
    own = [key for key, each in backbone.module.named_modules() if isinstance(each, Removed) and each.had_layers]
    if not own:
        return
    remedy = ""
    for path in conf_files("experiment"):
        if re.search(rf"override /model: {name}\b", path.read_text(encoding="utf-8")):
            remedy += f"create_classifier(experiment='{path.stem}') or "
    remedy += "head=['gap'] for one linear layer, or head=['flatten', {'dense': 4096}] and so on"
    raise UserError(f"{name} usually has more than one layer behind its features ({', '.join(own)}): say {remedy}")

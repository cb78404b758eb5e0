"""The layers of a classifier with shapes and parameters, and its parameters as Keras counts them."""

from dataclasses import dataclass

import torch
from pytorch_lightning.utilities.model_summary.model_summary import ModelSummary
from torch import nn

from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.backbones.truncation import Removed
from lightning_modules.classifier import Classifier

Shape = tuple[int, ...]
PARTS = ("backbone", "head")  # of a classifier; its metrics are no layers


@dataclass(frozen=True)
class Layer:
    """A module of a classifier, such as ``backbone.layer1``, and the name of its class.

    ``shape`` is that of its output for one image, None where it gives no single tensor; the ``parameters``, and those
    that are ``trainable``, are of it and all modules in it.
    """

    name: str
    kind: str
    shape: Shape | None
    parameters: int
    trainable: int
    is_leaf: bool

    @property
    def depth(self) -> int:
        """1 for the backbone itself, 2 for a module of it, ..."""
        return self.name.count(".") + 1


@dataclass(frozen=True)
class ParameterCounts:
    """The numbers of parameters of a network, and of those that train."""

    total: int
    trainable: int


def layers_of(classifier: Classifier, size: tuple[int, int]) -> list[Layer]:
    """Return the modules of backbone and head, each before those in it, for images of (height, width).

    Modules that do nothing are left out: what a cut removed, and what has no parameters and is never called.
    """
    image = torch.zeros(1, 3, *size)
    with torch.no_grad():
        features = list(classifier.eval().features(image).shape)
    classifier.example_input_array = image
    summary = ModelSummary(classifier, max_depth=-1)
    modules = dict(classifier.named_modules())
    layers = []
    for name, kind, given in zip(summary.layer_names, summary.layer_types, summary.out_sizes, strict=True):
        module = modules[name]
        # Features are taken without a call of the backbone itself.
        shape = _without_batch(features if name == "backbone" else given)
        counts = count(module)
        is_idle = shape is None and not counts.total
        if name.split(".")[0] in PARTS and not is_idle and not isinstance(module, Removed):
            layers.append(Layer(name, kind, shape, counts.total, counts.trainable, not list(module.children())))
    return layers


def _without_batch(shape: object) -> Shape | None:
    """Return the shape of one image's output; None for what is not one tensor of a batch."""
    if isinstance(shape, list) and set(map(type, shape)) == {int}:
        return tuple(shape[1:])
    return None


def count(module: nn.Module) -> ParameterCounts:
    """Count the parameters of a module as torch does."""
    total = trainable = 0
    for parameter in module.parameters():
        total += parameter.numel()
        trainable += parameter.numel() * parameter.requires_grad
    return ParameterCounts(total, trainable)


def count_as_keras(classifier: Classifier, network: str) -> ParameterCounts:
    """Count the parameters of a classifier of a ``network`` as Keras does, whose counts papers 001 and 004 print.

    Keras counts the running means and variances of BatchNorm among those that do not train. Its ResNet-50 has biases in
    its convolutions, which the BatchNorm behind them makes superfluous, and its InceptionV3 no gains in its BatchNorm.
    """
    counts = count(classifier)
    total = counts.total
    trainable = counts.trainable
    for name, module in classifier.named_modules():
        in_backbone = name.startswith("backbone.")
        extra = 0
        trains = False
        if has_running_statistics(module):
            total += 2 * module.running_mean.numel()
            if in_backbone and network.startswith("inception_v3"):
                extra = -module.weight.numel()
                trains = module.weight.requires_grad
        elif in_backbone and network.startswith("resnet50") and isinstance(module, nn.Conv2d) and module.bias is None:
            extra = module.out_channels
            trains = module.weight.requires_grad
        total += extra
        trainable += extra * trains
    return ParameterCounts(total, trainable)

"""The layers of a classifier with shapes and parameters, and its parameters as Keras counts them."""

import re
from typing import Any

import pandas as pd
import torch
from pytorch_lightning.utilities.model_summary.model_summary import ModelSummary
from torch import nn

from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.modules.classifier import Classifier
from lightning_modules.modules.staged_module import count_parameters


def layers_of(classifier: Classifier, size: tuple[int, int]) -> pd.DataFrame:
    """Return the backbone and the layers of the head for images of (height, width), a row each.

    Columns are layer, kind, output (of one image), parameters and trainable, those that train.
    """
    image = torch.zeros(1, 3, *size)
    with torch.no_grad():
        features = list(classifier.eval().features(image).shape)
    classifier.example_input_array = image
    summary = ModelSummary(classifier, max_depth=-1)
    rows = []
    for name, kind, given in zip(summary.layer_names, summary.layer_types, summary.out_sizes, strict=True):
        if name != "backbone" and not re.fullmatch(r"head\.\w+", name):
            continue
        sizes: Any = features if name == "backbone" else given  # features are taken without a call of the backbone
        trainable, total = count_parameters(classifier.get_submodule(name))
        row = {"layer": name, "kind": kind, "output": " x ".join(map(str, sizes[1:]))}
        rows.append(row | {"parameters": total, "trainable": trainable})
    return pd.DataFrame(rows)


def count_as_keras(classifier: Classifier, network: str) -> tuple[int, int]:
    """Count what trains, and all, of a classifier of a ``network`` as Keras does, as papers 001 and 004 print it.

    Keras counts the running means and variances of BatchNorm among those that do not train. Its ResNet-50 has biases in
    its convolutions, which the BatchNorm behind them makes superfluous, and its InceptionV3 no gains in its BatchNorm.
    """
    trainable, total = count_parameters(classifier)
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
    return trainable, total

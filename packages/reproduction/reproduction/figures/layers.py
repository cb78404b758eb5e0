"""The layers of a network with output shapes and parameters, as Keras prints them (papers 001, 002 and 004)."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import as_classifier
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.backbones.truncation import Removed
from lightning_modules.build.create import create_classifier
from lightning_modules.build.load import load_run


def layers_of(word: str) -> pd.DataFrame:
    """Return the layers of a finished run (its folder) or of an experiment (its name), in the order of their use.

    Returns:
        ``layer`` (module), ``kind`` (class), ``output`` (height x width x channels, or units, of one image) and
        ``parameters`` as Keras counts them: of BatchNorm with the running statistics, of its ResNet-50 with the biases
        that timm's convolutions lack, of its InceptionV3 without gains of BatchNorm. Functions, such as an addition,
        are no layers.
    """
    if Path(word).is_dir():
        config, classifier = Run.open_finished(Path(word)).config, load_run(Path(word)).classifier
    else:
        config = as_classifier(compose_config([f"+experiment={word}"]))
        classifier = create_classifier(experiment=word, weights="random")
    rows: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack, torch.no_grad():
        for name, module in classifier.named_modules():
            is_layer = has_running_statistics(module) or not list(module.children())  # timm's BatchNorm has children
            if is_layer and not isinstance(module, (nn.Identity, Removed)):
                network = config.model.name if name.startswith("backbone") else "head"
                stack.enter_context(module.register_forward_hook(partial(_add_row, rows, name, network)))
        classifier.eval()(torch.zeros(1, 3, *config.prepare.shape))
    return pd.DataFrame(rows.values())


def _add_row(
    rows: dict[str, dict[str, Any]], name: str, network: str, module: nn.Module, _: object, output: torch.Tensor
) -> None:
    shape = output.shape[1:] if output.ndim != 4 else (*output.shape[2:], output.shape[1])
    row = {"layer": name, "kind": type(module).__name__, "output": " x ".join(map(str, shape))}
    rows[name] = row | {"parameters": count_as_keras(module, network)}


def count_as_keras(module: nn.Module, network: str) -> int:
    """Count the parameters of a layer of a network, such as "resnet50", as Keras does."""
    count = sum(values.numel() for values in module.parameters(recurse=False))
    if has_running_statistics(module):
        statistics = [values.numel() for name, values in module.named_buffers() if name.startswith("running")]
        count += statistics[0] if network.startswith("inception_v3") else sum(statistics)  # as many gains as means
    elif network.startswith("resnet50") and isinstance(module, nn.Conv2d) and module.bias is None:
        count += module.out_channels
    return count

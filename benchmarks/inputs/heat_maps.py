"""Whether layers and heat maps follow what moves in the image, for networks of timm at three sizes.

``python -m benchmarks.inputs.heat_maps WEIGHTS results/heat_maps.csv`` moves a disc over nine places, for networks
with random weights, and with those in the folder WEIGHTS. No network knows discs: the last weights become the mean
change that the disc makes in the features, so that class 1 is "there is a disc"; with random weights the statistics
of BatchNorm become those of the images. A row has the layer that ``explain.py`` takes by itself, or its refusal, and
how the middle of the disc correlates with that of a map (the smaller correlation of rows and columns): of what the
disc changes in the layer (``layer_follows``) and of Grad-CAM (``heat_map_follows``), which also has to weight the
channels rightly.
"""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import typer

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.workflows.explain.attribution import heat_maps, resolve
from karyocyte.workflows.explain.layers import Model, layer_maps, to_batch
from lightning_modules import create_classifier
from lightning_modules.backbones.truncation import Removed

NETWORKS = ("resnet18", "resnet50", "mobilenetv2_100", "efficientnetv2_s", "convnext_tiny", "densenet121", "vgg16",
            "inception_v3", "regnety_004", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
            "mobilevit_s")  # fmt: skip
WEIGHTS = {"resnet18": "resnet18.tv_in1k.trunk_to_layer3", "mobilenetv2_100": "mobilenetv2_100.tf_keras_in1k"}
SIZES = (64, 128, 224)
PLACES = np.array(list(product((0.25, 0.5, 0.75), repeat=2)))  # shares of height and width


def discs(size: int) -> np.ndarray:
    """Return gray noise, the first image without a disc, the others with one at ``PLACES``: uint8, (10, H, W, 3)."""
    noise = np.random.default_rng(0).integers(90, 110, (size, size, 3), dtype=np.uint8)
    images = np.stack([noise] * (1 + len(PLACES)))
    rows, columns = np.mgrid[:size, :size] / size
    for image, (row, column) in zip(images[1:], PLACES, strict=True):
        image[np.hypot(rows - row, columns - column) < 1 / 8] = 230
    return images


def network_of_discs(name: str, weights: str | None, images: np.ndarray) -> Model:
    """Return a network of two classes, whose second is "there is a disc"."""
    torch.manual_seed(0)
    cut = "layer3" if weights and "layer3" in weights else None
    network = create_classifier(name, 2, weights=weights, image_size=images.shape[1], head=["gap"], cut=cut)
    (last,) = (module for module in network.head.modules() if isinstance(module, torch.nn.Linear))
    features: list[torch.Tensor] = []
    last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    if weights is None:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0  # the statistics of one batch
    with torch.no_grad():
        if weights is None:
            network.train()(to_batch(images))
        network.eval()(to_batch(images))
        last.weight[:] = (features[-1][1:] - features[-1][:1]).mean(0)
    backbone = network.backbone
    modules = {name: module for name, module in backbone.named_modules() if name and not isinstance(module, Removed)}
    return Model(network, modules, backbone.feature_info, getattr(backbone, "num_prefix_tokens", 0))


def correlation(maps: np.ndarray) -> float:
    """Return how the middle of maps (9, H, W), 0 and more, follows the disc; NaN where a map is zero."""
    rows, columns = np.mgrid[: maps.shape[1], : maps.shape[2]]
    middles = [(maps * places).sum((1, 2)) / maps.sum((1, 2)) for places in (rows, columns)]
    return min(float(np.corrcoef(middle, PLACES[:, axis])[0, 1]) for axis, middle in enumerate(middles))


def main(weights_dir: Path, csv: Path) -> None:
    """Write the table."""
    os.environ["KARYOCYTE_WEIGHTS_DIR"] = str(weights_dir)
    networks = [(name, None) for name in NETWORKS] + list(WEIGHTS.items())
    rows: list[dict[str, object]] = []
    for (name, weights), size in product(networks, SIZES):
        images = discs(size)
        rows.append({"network": name, "weights": weights or "random", "size": size})
        try:
            model = network_of_discs(name, weights, images)
            method = resolve("gradcam", None, model, images[0])
            heat = np.stack(list(heat_maps(model, images[1:], [1] * len(PLACES), method)))
            maps = layer_maps(model, images, [method.layer])[method.layer]
            changed = np.abs(maps[1:] - maps[:1]).sum(1)
            rows[-1] |= {"layer": method.layer, "layer_follows": correlation(changed)}
            rows[-1]["heat_map_follows"] = correlation(heat)
        except UserError as error:
            rows[-1]["refusal"] = str(error)
        print(*rows[-1].values(), flush=True)
    write_csv(csv, pd.DataFrame(rows), "%.2f")


if __name__ == "__main__":
    typer.run(main)

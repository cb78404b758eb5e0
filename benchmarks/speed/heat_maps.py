"""Heat maps by Grad-CAM: in batches, and by the library grad-cam as its documentation uses it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from benchmarks.speed.case import Case, Peer
from workflows.explain.attribution import Method, heat_maps, resolve
from workflows.explain.layers import Model

IMAGES = 32
CLASSES = 2
NETWORKS = (("mobilenetv2_100", 224), ("resnet18", 224), ("resnet18", 64))


def cases(folder: Path) -> Iterator[Case]:
    """Yield a case per network, of 32 images."""
    for name, size in NETWORKS:
        network = timm.create_model(name, num_classes=CLASSES).eval()
        model = Model(network, dict(network.named_modules()))
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, size, size, 3), np.uint8)
        method = resolve("gradcam", None, model, images[0])
        layer = model.modules[method.layer]
        ours = partial(_ours, model, images, method)
        peers = {
            "grad-cam, one by one": Peer(partial(_grad_cam, network, layer, images, 1), 3.0, ("grad-cam",)),
            "grad-cam, all at once": Peer(partial(_grad_cam, network, layer, images, IMAGES), None, ("grad-cam",)),
        }
        yield Case(f"{IMAGES} heat maps, {name} at {size} px", ours, peers, IMAGES, rounds=5)


def _ours(model: Model, images: np.ndarray, method: Method) -> None:
    list(heat_maps(model, images, [1] * len(images), method))


def _grad_cam(network: nn.Module, layer: nn.Module, images: np.ndarray, batch: int) -> None:
    for first in range(0, len(images), batch):
        part = torch.from_numpy(images[first : first + batch]).permute(0, 3, 1, 2).float() / 255
        with GradCAM(network, [layer]) as cam:
            cam(part, [ClassifierOutputTarget(1)] * len(part))

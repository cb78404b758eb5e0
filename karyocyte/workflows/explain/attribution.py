"""Heat maps of the places in an image that support a class, for any network at any of its layers.

The maps are those of the library grad-cam. Ours are: a single logit serves two classes, and no map is stretched:
without support for the class it is zero.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.workflows.explain.layers import Model, Shape, as_maps, check_layers, layer_shapes, to_batch

FINE = 4  # rows and columns that the default layer should have
BATCH = 4  # images at a time: the gradients of VGG's first layer take 13 MB for each


class Method(NamedTuple):
    """A method of heat maps (a key of CAMS) at the output of a module."""

    name: str
    layer: str


def method_at(name: str, layer: str | None, model: Model, image: np.ndarray) -> Method:
    """Check the layer of a method for a network whose input is such as ``image``, uint8 RGB, shape (H, W, 3).

    Without a ``layer`` it is the last with maps of four by four values or more, else of more than one; where timm lists
    the stages of the network, a stage or what follows the last: within a block a branch alone would be shown.

    Raises:
        UserError: The layer is unknown (the valid ones are named), or its maps have a single value.
    """
    shapes = layer_shapes(model, image)
    if layer is not None:
        check_layers([layer], shapes)
    layers = [place for place, (_, *sides) in shapes.items() if max(sides) > 1]
    if not layers:
        raise UserError(f"method {name}: no layer has maps of more than one value")
    if layer not in (None, *layers):
        raise UserError(f"layer {layer}: its maps have one value each, so no place; the last with more is {layers[-1]}")
    return Method(name, layer or _default_layer(model, layers, shapes))


def _default_layer(model: Model, layers: Sequence[str], shapes: Mapping[str, Shape]) -> str:
    fine = [place for place in layers if min(shapes[place][1:]) >= FINE]
    stages = [stage["module"] for stage in model.feature_info]
    whole = [place for place in fine if place in stages or "." not in place]
    return (whole if set(whole) & set(stages) else fine or layers)[-1]


def heat_maps(
    model: Model, images: Iterable[np.ndarray], targets: Sequence[int], method: Method
) -> Iterator[np.ndarray]:
    """Yield a heat map of the support for a class in each image.

    The score of the class is taken before sigmoid or softmax (a single logit is that of class 1, and its negative that
    of class 0); evidence against the class is cut off at zero.

    Args:
        model: Returns logits (B, K), in eval mode. Its weights take no gradients from here on.
        images: uint8 RGB, shape (H, W, 3), the network's inputs; read a few at a time.
        targets: The class of each image, an index.
        method: See ``method_at``.

    Yields:
        float32, shape (H, W), 0 and more in units of the score; zero everywhere without support for the class.

    Raises:
        UserError: The output does not depend on the layer, or the model returns NaN.
    """
    model.forward.requires_grad_(False)
    remaining = iter(images)
    for start in range(0, len(targets), BATCH):
        of_batch = list(targets[start : start + BATCH])
        batch = np.stack(list(islice(remaining, len(of_batch))))
        maps = _compute(model, method, batch, of_batch)
        if not np.isfinite(maps).all():
            raise UserError(f"{method.name} at {method.layer}: the model returns NaN for an image")
        yield from maps


def display_map(heat: np.ndarray) -> np.ndarray:
    """Scale a map (H, W) for display to 0 to 1, float32, by its greatest value; a map of zeros stays zero."""
    return np.clip(heat / (heat.max() or 1), 0, 1).astype(np.float32)


class _ClassScores(nn.Module):
    """The score of each class: a logit each; of a single logit its negative for class 0, itself for class 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the scores, shape (B, K), of images."""
        logits: torch.Tensor = self.network(image)
        if not logits.requires_grad:  # nothing before the layer takes gradients
            raise UserError("the output does not depend on this layer: name one between the image and the output")
        if logits.shape[1] == 1:
            return torch.cat([-logits, logits], dim=1)
        return logits


class _Unscaled(BaseCAM):  # type: ignore[misc]  # grad-cam has no types
    """Unscaled maps: grad-cam would stretch each from its least value to its greatest, zeros and noise alike."""

    def compute_cam_per_layer(
        self, input_tensor: torch.Tensor, targets: list[nn.Module], eigen_smooth: bool
    ) -> np.ndarray:
        """Return the maps of the one layer as they are."""
        record = self.activations_and_grads
        # Of a module that runs more than once, the last output counts, as in karyocyte.workflows.explain.layers.
        gradients = record.gradients[-1].numpy()
        (layer,) = self.target_layers
        activations = record.activations[-1].numpy()
        return np.asarray(self.get_cam_image(input_tensor, layer, targets, activations, gradients, eigen_smooth))

    def aggregate_multi_layers(self, cam_per_target_layer: np.ndarray) -> np.ndarray:
        """Return the maps of the one layer."""
        return cam_per_target_layer


CAMS: dict[str, type[BaseCAM]] = {}
for _name, _cam in (("gradcam", GradCAM), ("gradcam++", GradCAMPlusPlus), ("hirescam", HiResCAM)):
    CAMS[_name] = type(_cam.__name__, (_Unscaled, _cam), {})


def _compute(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> np.ndarray:
    """Return the heat maps of images (B, H, W, 3), float32, shape (B, H, W)."""
    height, width = images.shape[1:3]

    def copied_maps(output: torch.Tensor) -> torch.Tensor | None:
        """Return a copy of the maps of an output."""
        maps = as_maps(output, (height, width), model.prefix_tokens)
        return None if maps is None else maps.clone()  # since the next module may work in place

    layer = model.modules[method.layer]
    start_of_graph = layer.register_forward_hook(_begin_graph)  # before those of grad-cam, which see what it returns
    cam = CAMS[method.name](_ClassScores(model.forward), [layer], copied_maps)
    try:
        maps = cam(to_batch(images), list(map(ClassifierOutputTarget, targets)))
    finally:
        cam.activations_and_grads.release()
        start_of_graph.remove()
    maps = np.maximum(maps, 0).astype(np.float32)
    return np.stack([cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR) for heat in maps])


def _begin_graph(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    """Let gradients flow back to the output of a layer and no farther; the next module may work in place."""
    return output.detach().requires_grad_().clone()

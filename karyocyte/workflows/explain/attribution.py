"""Heat maps of the places in an image that support a class, by the library grad-cam, at any layer of any network.

A single logit serves two classes, and no map is stretched: without support for the class it is zero.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM

from karyocyte.common.errors import UserError
from karyocyte.workflows.explain.layers import Model, as_maps, check_layers, layer_maps, to_batch

GRADCAM = "gradcam"
METHODS = {GRADCAM: GradCAM, "gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "layercam": LayerCAM}
FINE = 4  # rows and columns that the default layer should have
BATCH = 4  # images at a time: the gradients of VGG's first layer take 13 MB for each


class Method(NamedTuple):
    """A method of heat maps at the output of a module.

    "gradcam" (Selvaraju et al., 2017) weighs each channel by the mean of its gradient, "gradcam++" (Chattopadhay et
    al., 2018) by its positive gradients, so that small regions count as much as large ones; "hirescam" (Draelos and
    Carin, 2020) weighs each place of each channel by its own gradient, "layercam" (Jiang et al., 2021) by its positive
    one.
    """

    name: str
    layer: str


def method_at(name: str, layer: str | None, model: Model, image: np.ndarray) -> Method:
    """Check the layer of a method for a network whose input is such as ``image``, uint8 RGB, shape (H, W, 3).

    Without a ``layer`` it is the last with maps of four by four values or more, else of more than one; where timm lists
    the stages of the network, a stage or what follows the last: within a block a branch alone would be shown.

    Raises:
        UserError: The layer is unknown (the valid ones are named), or its maps have a single value.
    """
    sides = {place: maps.shape[1:] for place, maps in layer_maps(model, image).items()}
    if layer is not None:
        check_layers([layer], sides)
    layers = [place for place in sides if max(sides[place]) > 1]
    if not layers:
        raise UserError(f"method {name}: no layer has maps of more than one value")
    if layer not in (None, *layers):
        raise UserError(f"layer {layer}: its maps have one value each, so no place; the last with more is {layers[-1]}")
    return Method(name, layer or _default_layer(model, layers, sides))


def _default_layer(model: Model, layers: Sequence[str], sides: Mapping[str, Sequence[int]]) -> str:
    fine = [place for place in layers if min(sides[place]) >= FINE]
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


def _compute(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> np.ndarray:
    """Return the heat maps of images (B, H, W, 3), float32, shape (B, H, W)."""
    height, width = images.shape[1:3]

    def maps_of(output: torch.Tensor) -> torch.Tensor | None:
        """Return the maps of a layer in rows and columns; None of an output that is no map."""
        maps = as_maps(output, (height, width), model.prefix_tokens)
        return None if maps is None else maps.clone()  # since the next module may work in place

    batch = to_batch(images).requires_grad_()  # the weights take no gradients
    with METHODS[method.name](model.forward, [model.modules[method.layer]], maps_of) as cam:
        record = cam.activations_and_grads
        torch.autograd.backward(_scores(record(batch), targets).sum())
        if not record.gradients:
            raise UserError("the output does not depend on this layer: name one between the image and the output")
        # Of a module that runs more than once, the last output counts, as in karyocyte.workflows.explain.layers. A call
        # of ``cam`` itself would stretch each map from its least value to its greatest, noise alike.
        activations, gradients = (maps[-1].numpy() for maps in (record.activations, record.gradients))
        maps = np.maximum(cam.get_cam_image(batch, None, targets, activations, gradients, False), 0)
    return np.stack([cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR) for heat in maps])


def _scores(logits: torch.Tensor, targets: list[int]) -> torch.Tensor:
    """Return the score of each image's class, shape (B,); see ``heat_maps``."""
    if logits.shape[1] == 1:
        logits = torch.cat([-logits, logits], dim=1)
    return logits[torch.arange(len(targets)), targets]

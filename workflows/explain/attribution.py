"""Heat maps of the places in an image that support a class, for any model at any of its layers.

The maps are those of the libraries grad-cam and captum. Ours are: a single logit serves two classes, frozen backbones
take gradients meanwhile, the model stays unchanged, and no map is stretched: without support for the class it is zero.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from captum.attr import IntegratedGradients, Occlusion
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from sklearn.decomposition import PCA
from torch import nn

from common.errors import UserError
from workflows.explain.layers import Model, as_maps, check_names, layer_shapes, to_batch
from workflows.explain.request import OF_INPUTS

INPUT = "input"  # the "layer" of methods that work on the image itself
OF_LAYERS = ("gradcam", "gradcam++", "hirescam", "eigencam")
METHODS = (*OF_LAYERS, *OF_INPUTS)
FINE = 4  # rows and columns that the default layer should have
BATCH = 4  # images at a time: the gradients of VGG's first layer take 13 MB for each
EVALUATIONS = 8  # changed copies of one image per forward pass


class Method(NamedTuple):
    """One of METHODS at the output of a module, ``layer`` (INPUT for the methods of OF_INPUTS).

    Occlusion covers ``windows`` side by side across width and height, which move by half their size; integrated
    gradients pass ``steps`` images between the plain ground and the image.
    """

    name: str
    layer: str
    windows: int = 8
    steps: int = 32


def resolve(name: str, layer: str | None, model: Model, image: np.ndarray, windows: int = 8, steps: int = 32) -> Method:
    """Check a method and its layer for a model whose input is such as ``image``, uint8 RGB, shape (H, W, 3).

    Without a ``layer`` it is the last with maps of four by four values or more, else of more than one.

    Raises:
        UserError: An unknown method; an unknown layer (with the valid ones), or one with maps of a single value; or a
            layer for a method that has none.
    """
    if name not in METHODS:
        raise UserError(f"method {name}: the methods are {', '.join(METHODS)}")
    if name in OF_INPUTS:
        if layer not in (None, INPUT):
            raise UserError(f"method {name} works on the image itself: leave the layer {layer} out")
        return Method(name, INPUT, windows, steps)
    with _unchanged(model.forward):
        shapes = layer_shapes(model, image)
    smaller_side = {place: min(shape[1:]) for place, shape in shapes.items() if shape and max(shape[1:]) > 1}
    if layer is not None:
        check_names([layer], model, shapes)
        if layer not in smaller_side:
            last = list(smaller_side)[-1] if smaller_side else "none"
            raise UserError(f"layer {layer}: its maps have one value each, so no place; the last with more is {last}")
        return Method(name, layer, windows, steps)
    layers = [place for place, side in smaller_side.items() if side >= FINE] or list(smaller_side)
    if not layers:
        raise UserError(f"method {name}: no layer has maps of more than one value: use {' or '.join(OF_INPUTS)}")
    return Method(name, layers[-1], windows, steps)


def heat_maps(
    model: Model, images: Iterable[np.ndarray], targets: Sequence[int], method: Method
) -> Iterator[np.ndarray]:
    """Yield a heat map of the support for a class in each image.

    The Grad-CAM family takes the score of the class before sigmoid or softmax (a single logit is that of class 1, and
    its negative that of class 0); evidence against the class is cut off at zero. EigenCAM does not depend on the class.
    The ground with which occlusion covers a window, and from which integrated gradients start, is the median colour of
    the image's border.

    Args:
        model: Returns logits (B, K). It is in eval mode meanwhile; afterwards its state is as before.
        images: uint8 RGB, shape (H, W, 3), the network's inputs; read a few at a time.
        targets: The class of each image, an index.
        method: See ``resolve``.

    Yields:
        float32, shape (H, W), 0 and more in units of the score; zero everywhere without support for the class.

    Raises:
        UserError: The output does not depend on the layer, or the model returns NaN.
    """
    of_layer = method.name in OF_LAYERS
    size = BATCH if of_layer else 1
    remaining = iter(images)
    for start in range(0, len(targets), size):
        of_batch = list(targets[start : start + size])
        batch = np.stack(list(islice(remaining, len(of_batch))))
        with _unchanged(model.forward):
            maps = _of_layer(model, method, batch, of_batch) if of_layer else _of_input(model, method, batch, of_batch)
        if not np.isfinite(maps).all():
            raise UserError(f"{method.name} at {method.layer}: the model returns NaN for an image")
        yield from np.maximum(maps, 0).astype(np.float32)


def scaled(heat: np.ndarray, method: str) -> np.ndarray:
    """Scale a map (H, W) for display to 0 to 1, float32, by its greatest value; a map of zeros stays zero.

    Integrated gradients are single pixels, which nobody would see: they are blurred first, by one hundredth of the
    longer side.
    """
    if method == "integrated_gradients":
        heat = cv2.GaussianBlur(heat, (0, 0), max(heat.shape) / 100)
    return np.clip(heat / (heat.max() or 1), 0, 1).astype(np.float32)


class _ClassScores(nn.Module):
    """The score of each class: a logit each; of a single logit its negative for class 0, itself for class 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(image)
        if logits.shape[1] == 1:
            return torch.cat([-logits, logits], dim=1)
        return logits


class _Score(ClassifierOutputTarget):  # type: ignore[misc]  # grad-cam has no types
    """The score of a class in an output, which has to depend on the layer: nothing before it takes gradients."""

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        if not scores.requires_grad:
            raise UserError("the output of the model does not depend on this layer: name another")
        score: torch.Tensor = super().__call__(scores)
        return score


class _Unscaled(BaseCAM):  # type: ignore[misc]  # grad-cam has no types
    """Unscaled maps: grad-cam would stretch each from its least value to its greatest, zeros and noise alike."""

    def compute_cam_per_layer(
        self, input_tensor: torch.Tensor, targets: list[nn.Module], eigen_smooth: bool
    ) -> np.ndarray:
        record = self.activations_and_grads
        # Of a module that runs more than once, the last output counts, as in workflows.explain.layers.
        gradients = record.gradients[-1].numpy() if self.uses_gradients else None
        (layer,) = self.target_layers
        activations = record.activations[-1].numpy()
        return np.asarray(self.get_cam_image(input_tensor, layer, targets, activations, gradients, eigen_smooth))

    def aggregate_multi_layers(self, cam_per_target_layer: np.ndarray) -> np.ndarray:
        return cam_per_target_layer


class _EigenCAM(_Unscaled, EigenCAM):  # type: ignore[misc]  # grad-cam has no types
    def get_cam_image(
        self, _image: object, _layer: object, _targets: object, activations: np.ndarray, *_unused: object
    ) -> np.ndarray:
        """Project on the first principal component; the library's own code takes gigabytes for an early layer.

        The farthest value is positive: the sign that Seg-Eigen-CAM (2025, eq. 13) chooses.
        """
        heats = np.zeros((len(activations), *activations.shape[2:]))
        for heat, maps in zip(heats, activations, strict=True):
            points = maps.reshape(len(maps), -1).T.astype(np.float64)
            if np.ptp(points, axis=0).any():  # not the same everywhere
                component = PCA(1, svd_solver="covariance_eigh").fit_transform(points).reshape(heat.shape)
                heat[:] = -component if -component.min() > component.max() else component
        return heats


_CAMS: dict[str, type[BaseCAM]] = {"eigencam": _EigenCAM}
for _name, _cam in (("gradcam", GradCAM), ("gradcam++", GradCAMPlusPlus), ("hirescam", HiResCAM)):
    _CAMS[_name] = type(_cam.__name__, (_Unscaled, _cam), {})


def _of_layer(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> np.ndarray:
    height, width = images.shape[1:3]

    def copied_maps(output: torch.Tensor) -> torch.Tensor | None:
        maps = as_maps(output, (height, width), model.prefix_tokens)
        return None if maps is None else maps.clone()  # since the next module may work in place

    layer = model.modules[method.layer]
    start_of_graph = layer.register_forward_hook(_begin_graph)  # before those of grad-cam, which see what it returns
    cam = _CAMS[method.name](_ClassScores(model.forward), [layer], copied_maps)
    try:
        maps = cam(to_batch(images), [_Score(target) for target in targets])
    finally:
        cam.activations_and_grads.release()
        start_of_graph.remove()
    maps = np.maximum(maps, 0).astype(np.float32)
    return np.stack([cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR) for heat in maps])


def _begin_graph(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    """Let gradients flow back to the output of a layer and no farther; the next module may work in place."""
    return output.detach().requires_grad_().clone()


def _of_input(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> np.ndarray:
    image = to_batch(images)
    # A plain image of the median colour of the border.
    border = torch.cat([image[:, :, 0], image[:, :, -1], image[:, :, :, 0], image[:, :, :, -1]], dim=2)
    ground = border.median(dim=2).values[:, :, None, None].expand_as(image).clone()
    options: dict[str, Any] = {"target": targets, "baselines": ground}
    network = _ClassScores(model.forward)
    if method.name == "occlusion":
        height, width = (max(1, round(side / method.windows)) for side in image.shape[2:])
        options["sliding_window_shapes"] = (3, height, width)
        options["strides"] = (3, max(1, height // 2), max(1, width // 2))
        values = Occlusion(network).attribute(image, perturbations_per_eval=EVALUATIONS, **options)
        heat = values.mean(dim=1)  # the channels are covered together: each has the same value
    else:
        options |= {"n_steps": method.steps, "internal_batch_size": EVALUATIONS}
        heat = IntegratedGradients(network).attribute(image, **options).sum(dim=1)
    return np.asarray(heat.detach().float().cpu().numpy())


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Let gradients flow through a network in eval mode, also within ``no_grad``, and restore its state."""
    modes = {module: module.training for module in network.modules()}
    weights = [(weight, weight.requires_grad, weight.grad) for weight in network.parameters()]
    try:
        network.eval()
        for weight, _, _ in weights:
            weight.requires_grad_(False)  # gradients of the weights themselves are not wanted
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        for weight, trains, gradient in weights:
            weight.requires_grad_(trains)
            weight.grad = gradient

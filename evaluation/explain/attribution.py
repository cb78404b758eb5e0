"""Which places of an image speak for a class: heat maps of any model at any of its layers; the model is an argument.

The maps are those of the libraries grad-cam and captum. What is ours: a single logit speaks for two classes, frozen
backbones take gradients while it lasts, nothing of the model is changed, and no map is stretched: where nothing speaks
for the class the map is zero.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

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
from evaluation.explain.activations import Model, as_maps, check_names, layer_shapes

INPUT = "input"  # the "layer" of methods that look at the image itself
OF_LAYERS = ("gradcam", "gradcam++", "hirescam", "eigencam")
OF_INPUTS = ("occlusion", "integrated_gradients")
METHODS = (*OF_LAYERS, *OF_INPUTS)
FINE = 4  # rows and columns: on coarser maps nothing is told apart
BATCH = 4  # images at a time: the gradients of VGG's first layer take 13 MB for each
EVALUATIONS = 8  # changed copies of one image that the model sees at a time


@dataclass(frozen=True)
class Method:
    """How heat maps are made.

    Attributes:
        name: One of METHODS.
        layer: Name of a module that gives maps; INPUT for the methods of OF_INPUTS.
        windows: Occlusion: how many windows side by side make the width and the height; they move by half of theirs.
        steps: Integrated gradients: how many images there are between the plain ground and the image.
    """

    name: str
    layer: str
    windows: int = 8
    steps: int = 32


def resolve(name: str, layer: str | None, model: Model, image: np.ndarray, windows: int = 8, steps: int = 32) -> Method:
    """Check a method and its layer for a model.

    Args:
        name: One of METHODS.
        layer: Name of a module; None: the last that gives maps of four by four values or more, else of more than one.
        model: Its ``forward`` is a network that gives logits.
        image: uint8 RGB, shape (H, W, 3), as the network sees it.
        windows: See ``Method``.
        steps: See ``Method``.

    Raises:
        UserError: No such method; no such layer (the right ones are listed), or one without maps of more than one
            value; or a layer is named for a method that has none.
    """
    if name not in METHODS:
        raise UserError(f"method {name}: the methods are {', '.join(METHODS)}")
    if name in OF_INPUTS:
        if layer not in (None, INPUT):
            raise UserError(f"method {name} looks at the image itself: leave the layer {layer} out")
        return Method(name, INPUT, windows, steps)
    with _untouched(model.forward):
        shapes = {place: shape for place, shape in layer_shapes(model, image).items() if shape}
        if layer is not None:
            check_names([layer], model, image)
    spread = [place for place, (_, height, width) in shapes.items() if height * width > 1]
    if layer is None:
        if not spread:
            raise UserError(f"method {name}: no layer gives maps of more than one value: use {' or '.join(OF_INPUTS)}")
        fine = [place for place in spread if min(shapes[place][1:]) >= FINE]
        return Method(name, (fine or spread)[-1], windows, steps)
    if layer not in spread:
        raise UserError(
            f"layer {layer}: its maps have one value each, which is no place; the last with more is "
            f"{spread[-1] if spread else 'none'}"
        )
    return Method(name, layer, windows, steps)


def heat_maps(
    model: Model, images: Iterable[np.ndarray], targets: Sequence[int], method: Method
) -> Iterator[np.ndarray]:
    """Yield what speaks for a class in each image.

    Grad-CAM and its kin take the score of the class before sigmoid or softmax (a single logit is that of class 1, and
    its negative that of class 0); what speaks against the class is cut off at zero. EigenCAM knows no class. The ground
    that occlusion puts in place of what it hides, and from which integrated gradients go, is the median colour of the
    image's border.

    Args:
        model: Its ``forward`` is an ``nn.Module`` that gives logits (B, K). It is in eval mode meanwhile, and its
            weights, their gradients, what trains and every mode are the same afterwards.
        images: uint8 RGB, shape (H, W, 3), as the network sees them; taken a few at a time.
        targets: The class of each image, an index.
        method: See ``resolve``.

    Yields:
        float32, shape (H, W), 0 and more in units of the score; zero everywhere where nothing speaks for the class.

    Raises:
        UserError: The output does not depend on the layer, or the model gives no numbers.
    """
    if method.name in OF_LAYERS:
        of_some = partial(_of_layer, model, method)
    else:
        of_some = partial(_of_inputs, model, method)
    if method.name in OF_LAYERS:
        size = BATCH
    else:
        size = 1
    rest = iter(images)
    for start in range(0, len(targets), size):
        some = np.stack(list(islice(rest, min(size, len(targets) - start))))
        for heat in of_some(some, list(targets[start : start + size])):
            if not np.isfinite(heat).all():
                raise UserError(f"{method.name} at {method.layer}: the model gives no numbers (NaN) for an image")
            yield np.maximum(heat, 0).astype(np.float32)


def scaled(heat: np.ndarray, method: str) -> np.ndarray:
    """Scale a map for the eye, by its greatest value; nothing is made of a map of zeros.

    Integrated gradients are single pixels, of which the eye sees nothing: theirs are blurred first, by one hundredth of
    the longer side.

    Args:
        heat: float, shape (H, W), 0 and more.
        method: One of METHODS.

    Returns:
        float32, shape (H, W), 0 to 1.
    """
    if method == "integrated_gradients":
        heat = cv2.GaussianBlur(heat, (0, 0), max(heat.shape) / 100)
    top = heat.max()
    if top > 0:
        return np.clip(heat / top, 0, 1).astype(np.float32)
    return np.zeros(heat.shape, np.float32)


class _ClassScores(nn.Module):
    """The score of each class: a logit each; of a single logit its negative for class 0, itself for class 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.network(image)
        if logits.shape[1] == 1:
            return torch.cat([-logits, logits], dim=1)
        return logits


class _AsItIs(BaseCAM):
    """Maps as they are: grad-cam would stretch each from its least value to its greatest, zeros and noise alike."""

    def compute_cam_per_layer(
        self, input_tensor: torch.Tensor, targets: list[nn.Module], eigen_smooth: bool
    ) -> np.ndarray:
        found = self.activations_and_grads
        if self.uses_gradients and not found.gradients:
            raise UserError("the output of the model does not depend on this layer: name another")
        # Of a module that is called more than once, the last output counts, as in evaluation.explain.activations.
        if self.uses_gradients:
            gradients = found.gradients[-1].numpy()
        else:
            gradients = None
        (layer,) = self.target_layers
        return self.get_cam_image(input_tensor, layer, targets, found.activations[-1].numpy(), gradients, eigen_smooth)

    def aggregate_multi_layers(self, cam_per_target_layer: np.ndarray) -> np.ndarray:
        return cam_per_target_layer


class _GradCAM(_AsItIs, GradCAM):
    pass


class _GradCAMPlusPlus(_AsItIs, GradCAMPlusPlus):
    pass


class _HiResCAM(_AsItIs, HiResCAM):
    pass


class _EigenCAM(_AsItIs, EigenCAM):
    def get_cam_image(
        self, _image: object, _layer: object, _targets: object, activations: np.ndarray, *_unused: object
    ) -> np.ndarray:
        """Project on the first principal component; the library's own way takes gigabytes for an early layer."""
        return np.stack([_first_component(maps) for maps in activations])


_CAMS = {"gradcam": _GradCAM, "gradcam++": _GradCAMPlusPlus, "hirescam": _HiResCAM, "eigencam": _EigenCAM}


def _first_component(maps: np.ndarray) -> np.ndarray:
    """Maps (C, H, W) -> (H, W), the farthest value positive: the sign that Seg-Eigen-CAM (2025, eq. 13) chooses."""
    points = maps.reshape(len(maps), -1).T.astype(np.float64)
    if not np.ptp(points, axis=0).any():  # the same everywhere
        return np.zeros(maps.shape[1:])
    found = PCA(1, svd_solver="covariance_eigh").fit_transform(points).reshape(maps.shape[1:])
    if -found.min() > found.max():
        return -found
    return found


def _of_layer(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> Iterator[np.ndarray]:
    height, width = images.shape[1:3]

    def as_copied_maps(output: torch.Tensor) -> torch.Tensor:
        # A copy, since the next module may work in place.
        return as_maps(output, (height, width), model.prefix_tokens).clone()

    with _untouched(model.forward):
        cam = _CAMS[method.name](_ClassScores(model.forward), [model.modules[method.layer]], as_copied_maps)
        try:
            # The image takes gradients, so the layer has some, be all weights frozen.
            found = cam(_to_batch(images).requires_grad_(), [ClassifierOutputTarget(target) for target in targets])
        finally:
            cam.activations_and_grads.release()
    for one in found:
        yield cv2.resize(np.maximum(one, 0).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _of_inputs(model: Model, method: Method, images: np.ndarray, targets: list[int]) -> Iterator[np.ndarray]:
    image = _to_batch(images)
    ground = _ground(image)
    with _untouched(model.forward):
        network = _ClassScores(model.forward)
        if method.name == "occlusion":
            window = tuple(max(1, round(side / method.windows)) for side in image.shape[2:])
            found = (
                Occlusion(network)
                .attribute(
                    image,
                    target=targets,
                    baselines=ground,
                    sliding_window_shapes=(3, *window),
                    strides=(3, *(max(1, side // 2) for side in window)),
                    perturbations_per_eval=EVALUATIONS,
                )
                .mean(dim=1)
            )  # the channels are hidden together: each has the same value
        else:
            options = {"n_steps": method.steps, "internal_batch_size": EVALUATIONS}
            found = (
                IntegratedGradients(network).attribute(image, target=targets, baselines=ground, **options).sum(dim=1)
            )
    yield from found.detach().float().cpu().numpy()


def _ground(image: torch.Tensor) -> torch.Tensor:
    """An image of the median colour of the border of each image (B, C, H, W)."""
    border = torch.cat([image[:, :, 0], image[:, :, -1], image[:, :, :, 0], image[:, :, :, -1]], dim=2)
    return border.median(dim=2).values[:, :, None, None].expand_as(image).clone()


def _to_batch(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C")).float() / 255


@contextmanager
def _untouched(network: nn.Module) -> Iterator[None]:
    """Let gradients flow through a network in eval mode, within a no-grad loop too, and leave no trace of it."""
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

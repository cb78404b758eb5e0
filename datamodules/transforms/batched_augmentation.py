"""Random transforms of a whole batch on its device: one resampling for all that moves pixels, then the light.

The counterpart of `augmentation.Augmentation`, for images that have an upright position.
"""

import math

import torch
import torch.nn.functional as F
from torchvision.transforms.v2.functional import gaussian_blur

from datamodules.transforms.counter_hash import uniform
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig

# What is drawn for each image; the order is part of what a seed means.
DRAWN = (
    *("mirror", "rotate", "stretch_x", "stretch_y", "scale", "shift_x", "shift_y"),
    *("bow", "s_curve", "uneven", "uneven_phase", "brightness", "gamma", "sharpness"),
)

_WIDTH_PER_SIGMA = 48  # width of the image, in standard deviations of the filter of `sharpness`


class BatchedAugmentation:
    """Small movements and changes of light of a batch, drawn for each (seed, epoch, image, copy).

    A result depends neither on the batch that an image is in nor on what was drawn before.

    Args:
        config: The strengths: mirror, rotate, stretch, scale, shift, bend, uneven, sharpness, brightness and gamma.
        seed: The run's seed.
    """

    def __init__(self, config: TransformConfig, seed: int) -> None:
        self.config = config
        self.seed = derive_seed("batched", seed)
        movements = ("mirror", "rotate", "stretch", "scale", "shift", "bend", "uneven")
        self._moves = any(getattr(config, name) for name in movements)

    def __call__(self, image: torch.Tensor, epoch: torch.Tensor, row: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        """Return the transformed images, float32 in [0, 1], shape (B, C, H, W).

        Args:
            image: uint8, shape (B, C, H, W).
            epoch: The epoch within the stage, int64, shape (B,); without ``each_epoch`` it does not matter.
            row: The manifest row of each image, int64, shape (B,).
            copy: 0 for the original, n for the n-th added copy, int64, shape (B,).
        """
        drawn = self.draw(epoch, row, copy)
        values = image.float().div_(255)
        if self._moves:
            positions = source_positions(self.config, drawn, image.shape[2], image.shape[3])
            values = F.grid_sample(values, positions, mode="bilinear", padding_mode="zeros", align_corners=False)
        return change_light(self.config, drawn, values)

    def draw(self, epoch: torch.Tensor, row: torch.Tensor, copy: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what is drawn for each image, by the names in `DRAWN`, float32 from -1 to below 1, shape (B,)."""
        if not self.config.each_epoch:
            epoch = torch.zeros_like(epoch)
        key = torch.stack([torch.full_like(row, self.seed), epoch, row, copy], dim=1)
        numbers = 2 * uniform(key, len(DRAWN)) - 1
        return dict(zip(DRAWN, numbers.unbind(1), strict=True))


def source_positions(config: TransformConfig, drawn: dict[str, torch.Tensor], height: int, width: int) -> torch.Tensor:
    """Return where each pixel of the results comes from, as ``grid_sample`` takes it, float32, shape (B, H, W, 2).

    An image is bent and stretched unevenly in its upright position, then mirrored, stretched and scaled, turned and
    shifted, about its centre. Here, from the result back to the image, the steps are undone in the opposite order.
    ``drawn`` is that of `BatchedAugmentation.draw`, ``height`` and ``width`` are in pixels.
    """
    x, y = _undo_affine(config, drawn, height, width)
    x, y = _undo_bend(config, drawn, x, y, height, width)
    return torch.stack([x * (2 / width), y * (2 / height)], dim=-1)


def change_light(config: TransformConfig, drawn: dict[str, torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    """Blur or sharpen values (B, C, H, W), float in [0, 1], multiply them by a factor, and take them to a power."""
    if config.sharpness:
        # The filter is as wide on every canvas, relative to a chromosome.
        sigma = values.shape[3] / _WIDTH_PER_SIGMA
        radius = round(2 * sigma)
        detail = values - gaussian_blur(values, [2 * radius + 1, 2 * radius + 1], [sigma, sigma])
        amount = torch.where(drawn["sharpness"] < 0, drawn["sharpness"], config.sharpness * drawn["sharpness"])
        values = (values + _of_images(amount) * detail).clamp(0.0, 1.0)
    if config.brightness:
        values = (values * _of_images(1 + config.brightness * drawn["brightness"])).clamp(max=1.0)
    if config.gamma:
        values = values ** _of_images(1 + config.gamma * drawn["gamma"])
    return values


def _undo_affine(
    config: TransformConfig, drawn: dict[str, torch.Tensor], height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions x, y before the affine part of each pixel, from the centre, in pixels, shape (B, H, W)."""
    angle = torch.deg2rad(config.rotate * drawn["rotate"])
    size = torch.exp(math.log1p(config.scale) * drawn["scale"])
    factor_x = size * (1 + config.stretch * drawn["stretch_x"])
    factor_y = size * (1 + config.stretch * drawn["stretch_y"])
    if config.mirror:
        factor_x = torch.where(drawn["mirror"] < 0, -factor_x, factor_x)
    device = angle.device
    x = torch.arange(width, device=device) - (width - 1) / 2 - _of_rows(config.shift * width * drawn["shift_x"])
    y = (torch.arange(height, device=device) - (height - 1) / 2).unsqueeze(1)
    y = y - _of_rows(config.shift * height * drawn["shift_y"])
    cosine = torch.cos(angle)
    sine = torch.sin(angle)
    back_x = _of_rows(cosine / factor_x) * x + _of_rows(sine / factor_x) * y
    back_y = _of_rows(cosine / factor_y) * y - _of_rows(sine / factor_y) * x
    return back_x, back_y


def _undo_bend(
    config: TransformConfig, drawn: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions before the axis was bent and unevenly stretched.

    The straight axis x = 0 becomes x = width * bend * (a v**2 + b v**3), a bow and an S, v from -1 at the upper to 1 at
    the lower border, a and b from -1/2 to 1/2. To first order in its slope, bands stay perpendicular to the axis.
    """
    half = height / 2
    if config.bend:
        amplitude = config.bend * width / 2
        bow = _of_rows(amplitude * drawn["bow"])
        s_curve = _of_rows(amplitude * drawn["s_curve"])
        v = y / half
        x = x - (bow + s_curve * v) * v**2
        y = y + (2 * bow + 3 * s_curve * v) * v / half * x
    if config.uneven:
        strength = _of_rows(config.uneven * drawn["uneven"])
        phase = _of_rows(math.pi * drawn["uneven_phase"])
        wave = torch.sin(y * (math.pi / half) + phase) - torch.sin(phase)
        y = y + strength * (half / math.pi) * wave
    return x, y


def _of_rows(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1)


def _of_images(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)

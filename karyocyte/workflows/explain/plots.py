"""Pictures of explanations: heat maps over their images, and the channels of layers side by side."""

from math import ceil, sqrt

import matplotlib as mpl
import numpy as np
import torch
from torchvision.utils import make_grid

COLOUR_MAP = "turbo"  # from dark blue, nothing, over green and yellow to dark red, the most
STRONGEST = 0.75  # share of the colour of an overlay at the hottest place
CHANNEL_BORDER = "#7FB2D5"  # between the channels: a colour, for black and white occur in them
TILE = 48  # least pixels of a channel, so that a 2x2 map is seen as four squares


def heat_colours(heat: np.ndarray) -> np.ndarray:
    """Return a map, float in 0 to 1, shape (H, W), in the colours of COLOUR_MAP, uint8 RGB."""
    return np.asarray((mpl.colormaps[COLOUR_MAP](heat)[..., :3] * 255).round().astype(np.uint8))


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map, float in 0 to 1, shape (H, W), over an image, uint8 RGB: the hotter, the more of its colour."""
    share = STRONGEST * heat[..., None]
    return (image * (1 - share) + heat_colours(heat) * share).round().astype(np.uint8)


def most_varied(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the channels of maps (N, C, H, W) that vary most over the image, on average, at most ``count``."""
    activity = maps.std(axis=(2, 3), dtype=np.float64).mean(axis=0)
    return np.argsort(-activity, kind="stable")[:count]


def channel_picture(maps: np.ndarray) -> np.ndarray:
    """Draw ``mosaic`` from black (0) over gray to white (1), uint8 RGB, with coloured lines between the channels."""
    shades = mpl.colormaps["gray"].with_extremes(bad=CHANNEL_BORDER)
    return np.asarray((shades(mosaic(maps))[..., :3] * 255).astype(np.uint8))


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Tile channels, float, shape (C, H, W), row by row, each scaled to its own range and set off by lines.

    Returns:
        float32 in [0, 1], as square as the number of channels allows; NaN on the lines and where no channel is left.
        A constant channel is black; channels of one value each are scaled together.
    """
    count, height, width = maps.shape
    axes = None
    if height * width > 1:
        axes = (1, 2)
    low = maps.min(axis=axes, keepdims=True)
    high = maps.max(axis=axes, keepdims=True)
    scaled = np.divide(maps - low, high - low, out=np.zeros(maps.shape, np.float32), where=high > low)
    times = max(1, ceil(TILE / min(height, width)))
    tiles = torch.from_numpy(scaled.repeat(times, axis=1).repeat(times, axis=2))[:, None]
    if count == 1:
        return np.asarray(tiles[0, 0])
    line = max(2, width * times // 20)
    sheet = make_grid(tiles, nrow=ceil(sqrt(count)), padding=line, pad_value=np.nan)
    return np.asarray(sheet[0, line:-line, line:-line])

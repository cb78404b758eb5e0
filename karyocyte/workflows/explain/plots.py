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


def channel_picture(maps: np.ndarray) -> np.ndarray:
    """Draw channels, float, shape (C, H, W), row by row, each from black to white over its own range, uint8 RGB.

    The picture is as square as the number of channels allows, with coloured lines between them; a constant channel is
    black. Channels of one value each are scaled together.
    """
    times = max(1, ceil(TILE / min(maps.shape[1:])))
    tiles = torch.from_numpy(maps.repeat(times, axis=1).repeat(times, axis=2))[:, None]
    line = max(2, tiles.shape[-1] // 20)
    columns = ceil(sqrt(len(tiles)))
    alone = maps[0].size > 1
    sheet = make_grid(tiles, nrow=columns, padding=line, normalize=True, scale_each=alone, pad_value=np.nan)[0]
    shades = mpl.colormaps["gray"].with_extremes(bad=CHANNEL_BORDER)
    return np.asarray((shades(sheet.numpy())[..., :3] * 255).astype(np.uint8))

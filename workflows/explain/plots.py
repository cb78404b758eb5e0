"""Plots of explanations: heat maps over their images, and the channels of layers."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from torchvision.utils import make_grid

from evaluation.core.plots import canvas
from evaluation.examples import DPI

COLOUR_MAP = "turbo"  # from dark blue, nothing, over green and yellow to dark red, the most
GRAY = "#444444"
OUTLINE = "#111111"
STRONGEST = 0.75  # share of the colour of an overlay at the hottest place
NO_HEAT = "no support for"
WIDE = 2.5  # inches, like the next five: width of a panel, its bounds, and the space around panels
NARROWEST = 1.6
TALLEST = 3.6
ABOVE = 1.0
LINE = 0.17
GAP = 0.12
CHANNEL_BORDER = "#7FB2D5"  # between the channels: a colour, for black and white occur in them
TILE = 48  # least pixels of a channel, so that a 2x2 map is seen as four squares
LAYERS_NOTE = "of each layer the channels that vary most, each scaled to its own range"


@dataclass(frozen=True, eq=False)
class Panel:
    """One image of a figure, uint8 RGB, shape (H, W, 3), with a caption of one line or more in a colour.

    On the image are ``heat`` (float in 0 to 1, shape (H, W)), the outline of a ``place`` (bool, shape (H, W)), and a
    cross at a ``point`` (row and column).
    """

    image: np.ndarray
    caption: str = ""
    colour: str = GRAY
    heat: np.ndarray | None = None
    place: np.ndarray | None = None
    point: tuple[int, int] | None = None


def coloured(heat: np.ndarray) -> np.ndarray:
    """Return a map, float in 0 to 1, shape (H, W), in the colours of COLOUR_MAP, uint8 RGB."""
    return np.asarray((mpl.colormaps[COLOUR_MAP](heat)[..., :3] * 255).round().astype(np.uint8))


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map, float in 0 to 1, shape (H, W), over an image, uint8 RGB: the hotter, the more of its colour."""
    share = STRONGEST * heat[..., None]
    return (image * (1 - share) + coloured(heat) * share).round().astype(np.uint8)


def panel_grid(  # noqa: PLR0913 - a figure has this many parts
    path: Path,
    rows: Sequence[Sequence[Panel | None]],
    titles: Sequence[str],
    about: dict[str, Any],
    note: str,
    wide: float = WIDE,
) -> None:
    """Draw panels in rows, with a title (empty, or of several lines) above each column and a note below.

    In a row are as many panels as there are titles; None leaves a place empty. They are ``wide`` inches wide, less
    where they would be too tall.
    """
    panels = [panel for panel in chain.from_iterable(rows) if panel is not None]
    aspect = panels[0].image.shape[0] / panels[0].image.shape[1]
    high = min(wide * aspect, TALLEST * wide / WIDE)
    wide = max(high / aspect, NARROWEST)
    below = LINE * max(panel.caption.count("\n") + 2 for panel in panels)
    size = (len(titles) * (wide + GAP), ABOVE + len(rows) * (high + below))
    with canvas(path, size, about, dpi=DPI) as figure:
        grid = figure.subplots(len(rows), len(titles), squeeze=False)
        for axis, panel in zip(grid.flat, chain.from_iterable(rows), strict=True):
            _draw_panel(axis, panel)
        for axis, title in zip(grid[0], titles, strict=True):
            lines = [textwrap.fill(line, int(wide * 12)) for line in title.split("\n")]
            axis.set_title("\n".join(lines), fontsize=9, fontweight="bold")
        figure.supxlabel(textwrap.fill(note, max(40, int(size[0] * 13))), fontsize=9, color=GRAY)


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel | None]]:
    """Break panels into rows; the last is filled up with None."""
    padded = [*panels, *[None] * (-len(panels) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def _draw_panel(axis: Axes, panel: Panel | None) -> None:
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[], anchor="N")
    if panel is None:
        return
    axis.imshow(panel.image if panel.heat is None else overlay(panel.image, panel.heat))
    # Two lines, one within the other, are seen on any ground.
    if panel.place is not None:
        axis.contour(panel.place, levels=[0.5], colors="white", linewidths=2.4)
        axis.contour(panel.place, levels=[0.5], colors=OUTLINE, linewidths=1.1)
    if panel.point is not None:
        axis.plot(*panel.point[::-1], "x", color="white", markersize=9, markeredgewidth=3)
        axis.plot(*panel.point[::-1], "x", color=OUTLINE, markersize=8, markeredgewidth=1.4)
    axis.set_xlabel(panel.caption, fontsize=9, color=panel.colour)


def layer_grid(  # noqa: PLR0913 - a figure has this many parts
    path: Path,
    images: np.ndarray,
    captions: Sequence[str],
    layers: Mapping[str, np.ndarray],
    channels: int,
    about: dict[str, Any],
) -> None:
    """Draw a row per image: the image, then for each layer a mosaic of its channels, with its shape.

    Each channel is scaled to its own range, from black (its least value) to white. Drawn are at most ``channels``,
    those whose values vary most, the same for all images of a layer, in this order.

    Args:
        path: PNG to write.
        images: uint8 RGB, shape (N, H, W, 3), the network's inputs.
        captions: Below each image.
        layers: Title, such as "last pool: pool5" -> maps, float, shape (N, C, H, W).
        channels: Their largest number per layer.
        about: Facts of the run.
    """
    shades = mpl.colormaps["gray"].with_extremes(bad=CHANNEL_BORDER)
    rows = []
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row = [Panel(image, caption)]
        for maps in layers.values():
            sheet = mosaic(maps[number, most_varied(maps, channels)])
            row.append(Panel((shades(sheet)[..., :3] * 255).astype(np.uint8), " × ".join(map(str, maps.shape[1:]))))
        rows.append(row)
    panel_grid(path, rows, ["input", *layers], about, LAYERS_NOTE)


def most_varied(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the channels of maps (N, C, H, W) that vary most over the image, on average, at most ``count``."""
    activity = maps.std(axis=(2, 3), dtype=np.float64).mean(axis=0)
    return np.argsort(-activity, kind="stable")[:count]


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Tile channels, float, shape (C, H, W), row by row, each scaled to its own range and set off by lines.

    Returns:
        float32 in [0, 1], as square as the number of channels allows; NaN on the lines and where no channel is left.
        A constant channel is mid-gray; channels of one value each are scaled together.
    """
    count, height, width = maps.shape
    axes = (1, 2) if height * width > 1 else None
    low = maps.min(axis=axes, keepdims=True)
    high = maps.max(axis=axes, keepdims=True)
    scaled = np.divide(maps - low, high - low, out=np.full(maps.shape, 0.5, np.float32), where=high > low)
    times = max(1, ceil(TILE / min(height, width)))
    tiles = torch.from_numpy(scaled.repeat(times, axis=1).repeat(times, axis=2))[:, None]
    if count == 1:
        return np.asarray(tiles[0, 0])
    line = max(2, width * times // 20)
    sheet = make_grid(tiles, nrow=ceil(sqrt(count)), padding=line, pad_value=np.nan)
    return np.asarray(sheet[0, line:-line, line:-line])

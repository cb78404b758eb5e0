"""Pictures of heat maps: laid over their images, members of an ensemble side by side, with the true place outlined."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluation.core.plots import COLOURS, canvas
from evaluation.error_analysis.examples import DPI
from evaluation.explain.smoothness import MEASURES, mean_smoothness, smoothness, standardised

COLOUR_MAP = "turbo"  # from dark blue, nothing, over green and yellow to dark red, the most
GRAY = "#444444"
OUTLINE = "#111111"
# inches: of a panel
WIDE = 2.5
NARROWEST = 1.6
TALLEST = 3.6
ABOVE = 0.55
LINE = 0.17
GAP = 0.12
STRONGEST = 0.75  # of an overlay: how much of the colour there is at the hottest place
NONE = "nothing speaks for"


@dataclass(frozen=True, eq=False)
class Panel:
    """One image of a figure.

    Attributes:
        image: uint8 RGB, shape (H, W, 3).
        caption: One line or more, below it.
        colour: Of the caption.
        heat: float in 0 to 1, shape (H, W), laid over it; None lays nothing.
        place: bool, shape (H, W), outlined; None outlines nothing.
        point: Row and column of a cross; None marks nothing.
    """

    image: np.ndarray
    caption: str = ""
    colour: str = GRAY
    heat: np.ndarray | None = None
    place: np.ndarray | None = None
    point: tuple[int, int] | None = None


def coloured(heat: np.ndarray) -> np.ndarray:
    """Return a map, float in 0 to 1, shape (H, W), in the colours of COLOUR_MAP: uint8 RGB, shape (H, W, 3)."""
    return (mpl.colormaps[COLOUR_MAP](heat)[..., :3] * 255).round().astype(np.uint8)


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map over an image: the hotter, the more of its colour; where nothing is, the image stays as it is.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        heat: float in 0 to 1, shape (H, W).

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    share = STRONGEST * heat[..., None]
    return (image * (1 - share) + coloured(heat) * share).round().astype(np.uint8)


def panel_grid(
    path: Path,
    rows: Sequence[Sequence[Panel | None]],
    titles: Sequence[str],
    about: dict,
    note: str,
    wide: float = WIDE,
) -> None:
    """Draw panels in rows.

    Args:
        path: PNG to write.
        rows: Panels, as many in each row as there are titles; None leaves a place empty.
        titles: What is written above each column; may be empty, or have several lines.
        about: Facts of the run, for the title.
        note: What is said below.
        wide: Of a panel, inches; narrower where it would be too tall.
    """
    first = next(panel for row in rows for panel in row if panel is not None)
    tall = first.image.shape[0] / first.image.shape[1]
    high = min(wide * tall, TALLEST * wide / WIDE)
    wide = max(high / tall, NARROWEST)
    lines = max(panel.caption.count("\n") + 1 for row in rows for panel in row if panel is not None)
    below = LINE * lines + GAP
    said = textwrap.fill(note, max(40, int(len(titles) * (wide + GAP) * 13)))
    titles = ["\n".join(textwrap.fill(part, int(wide * 12)) for part in title.split("\n")) for title in titles]
    foot = 0.1 + LINE * (said.count("\n") + 1)
    head = ABOVE + (LINE * (max(title.count("\n") for title in titles) + 1) if any(titles) else 0)
    size = (len(titles) * (wide + GAP), head + len(rows) * (high + below) + foot)
    spaces = {"left": 0, "right": 1, "wspace": GAP / wide, "hspace": below / high}
    edges = {"top": 1 - head / size[1], "bottom": (foot + below) / size[1]}
    with canvas(path, size, about, layout="none", dpi=DPI) as figure:
        # However tall the figure is, its title stands at the top.
        figure.suptitle(figure.get_suptitle(), y=1 - 0.1 / size[1], va="top", fontsize=12, fontweight="bold")
        grid = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw={**spaces, **edges})
        for axes, row in zip(grid, rows, strict=True):
            for axis, panel in zip(axes, row, strict=True):
                _draw(axis, panel)
        for axis, title in zip(grid[0], titles, strict=True):
            axis.set_title(title, fontsize=9, fontweight="bold")
        figure.text(0.5, 0.03 / size[1], said, ha="center", va="bottom", fontsize=9, color=GRAY)


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel | None]]:
    """Break panels into rows; the last is filled up with None."""
    padded = [*panels, *[None] * (-len(panels) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def _draw(axis: Axes, panel: Panel | None) -> None:
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[], anchor="N")
    if panel is None:
        return
    axis.imshow(panel.image if panel.heat is None else overlay(panel.image, panel.heat))
    if panel.place is not None:
        # Two lines, one within the other, are seen on any ground.
        axis.contour(panel.place, levels=[0.5], colors="white", linewidths=2.4)
        axis.contour(panel.place, levels=[0.5], colors=OUTLINE, linewidths=1.1)
    if panel.point is not None:
        axis.plot(*panel.point[::-1], "x", color="white", markersize=9, markeredgewidth=3)
        axis.plot(*panel.point[::-1], "x", color=OUTLINE, markersize=8, markeredgewidth=1.4)
    axis.set_xlabel(panel.caption, fontsize=9, color=panel.colour)


CHANNEL_BORDER = "#7FB2D5"  # between the channels: a colour, for black and white occur in them
TILE = 48  # pixels that a channel has at least, so that a 2x2 map is seen as four squares
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Inches: of a mosaic (of upright images narrower, but as wide as the words below it), and around the mosaics.
PANEL_WIDTH = 2.55
NARROW = 2.2
PANEL_TALLEST = 3.8
HEADER = 0.95
BETWEEN = 0.62
PANEL_GAP = 0.1
BELOW = 0.35
NOTE = (
    "of each layer the channels that vary most, each scaled to its own range; "
    "smoothness: mean over all channels, 1 smooth, 0 as noise"
)


@dataclass(frozen=True)
class Layer:
    """What a layer gave out.

    Attributes:
        title: Its place and name, such as "last pool: pool5".
        maps: float, shape (N, C, H, W), of N images.
    """

    title: str
    maps: np.ndarray


def layer_grid(
    path: Path, images: np.ndarray, captions: Sequence[str], layers: Sequence[Layer], channels: int, about: dict
) -> None:
    """Draw a row per image: the image, then of each layer a mosaic of its channels, with its shape and smoothness.

    Each channel is scaled to its own range, from black (its least value) to white. The channels are those whose values
    vary most, the same for all images of a layer, in this order.

    Args:
        path: PNG to write.
        images: uint8 RGB, shape (N, H, W, 3), as the network sees them.
        captions: What is written below each image.
        layers: The layers, from the first.
        channels: How many channels of each are drawn at most.
        about: Facts of the run.
    """
    rows = len(images)
    columns = len(layers) + 1
    tall = images.shape[1] / images.shape[2]
    wide, high = (PANEL_WIDTH, PANEL_WIDTH * tall) if tall < 1.3 else (NARROW, min(NARROW * tall, PANEL_TALLEST))
    size = (columns * (wide + PANEL_GAP), HEADER + rows * (high + BETWEEN) + BELOW)
    spaces = {"left": 0, "right": 1, "wspace": PANEL_GAP / wide, "hspace": BETWEEN / high}
    edges = {"top": 1 - HEADER / size[1], "bottom": (BELOW + BETWEEN) / size[1]}
    shades = mpl.colormaps["gray"].with_extremes(bad=CHANNEL_BORDER)
    with canvas(path, size, about, layout="none") as figure:
        grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**spaces, **edges})
        for row, (axes, image) in enumerate(zip(grid, images, strict=True)):
            _plain(axes[0], captions[row])
            axes[0].imshow(image)
            for axis, layer in zip(axes[1:], layers, strict=True):
                _plain(axis, _caption(layer, row))
                sheet = mosaic(layer.maps[row, liveliest(layer.maps, channels)])
                axis.imshow(sheet, cmap=shades, vmin=0, vmax=1)
        for axis, title in zip(grid[0], ("input", *(layer.title for layer in layers)), strict=True):
            axis.set_title(title, fontweight="bold")
        figure.text(
            0.5,
            0,
            textwrap.fill(NOTE, int(size[0] * 13)),
            ha="center",
            va="bottom",
            fontsize=9,
            color=GRAY,
        )


def liveliest(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the channels of maps (N, C, H, W) that vary most over the image, on average, at most ``count``."""
    activity = maps.std(axis=(2, 3), dtype=np.float64).mean(axis=0)
    return np.argsort(-activity, kind="stable")[:count]


def mosaic(maps: np.ndarray) -> np.ndarray:
    """Tile channels row by row, each scaled to its own range and set off by lines.

    Args:
        maps: float, shape (C, H, W).

    Returns:
        float32 in [0, 1], as square as the number of channels allows; NaN on the lines and where no channel is left.
        A constant channel is mid-gray; channels of one value each are scaled together.
    """
    count, height, width = maps.shape
    if height * width > 1:
        axes = (1, 2)
    else:
        axes = None
    low = maps.min(axis=axes, keepdims=True)
    high = maps.max(axis=axes, keepdims=True)
    scaled = np.divide(maps - low, high - low, out=np.full(maps.shape, 0.5, np.float32), where=high > low)
    if min(height, width) < TILE:
        times = ceil(TILE / min(height, width))
    else:
        times = 1
    tiles = scaled.repeat(times, axis=1).repeat(times, axis=2)
    line = max(2, tiles.shape[2] // 20)
    columns = ceil(sqrt(count))
    rows = ceil(count / columns)
    down = tiles.shape[1] + line
    across = tiles.shape[2] + line
    sheet = np.full((rows * down - line, columns * across - line), np.nan, np.float32)
    for place, tile in enumerate(tiles):
        top = place // columns * down
        left = place % columns * across
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def smoothness_scatter(path: Path, table: pd.DataFrame, found: pd.DataFrame, about: dict) -> None:
    """Draw accuracy over smoothness, both standardised within their data set: a column per position, a row per grid.

    Args:
        path: PNG to write.
        table: A row per run and layer, as :func:`evaluation.explain.smoothness.correlations` takes it.
        found: What that function returns.
        about: Facts for the title.
    """
    places = list(dict.fromkeys(table["position"]))
    colours = _styles(table["network"], COLOURS)
    markers = _styles(table["data_set"], MARKERS)
    size = (1.2 + 2.9 * max(2, len(places)), 1.9 + 2.6 * len(MEASURES))
    with canvas(path, size, about) as figure:
        grid = figure.subplots(len(MEASURES), len(places), squeeze=False, sharex=True, sharey=True)
        for axes, (measure, name) in zip(grid, MEASURES.items(), strict=True):
            for axis, place in zip(axes, places, strict=True):
                points = standardised(table[table["position"] == place], measure)
                for point in points.itertuples():
                    style = {"color": colours[point.network], "marker": markers[point.data_set]}
                    axis.plot(getattr(point, measure), point.accuracy, linestyle="none", markersize=7, **style)
                axis.set_title(f"{place}, {name} grid\n{_said(found, place, name)}", fontsize=10)
            axes[0].set_ylabel("accuracy")
        for axis in grid[-1]:
            axis.set_xlabel("smoothness")
        note = "standard deviations from the mean of the data set's runs; the claim: points fall to the right"
        figure.supxlabel(note, fontsize=9, color=GRAY)
        handles: list = [Patch(color=colour, label=label) for label, colour in colours.items()]
        handles += [_mark(label, "#666666", marker) for label, marker in markers.items()]
        figure.legend(handles=handles, loc="outside right upper")


def _said(found: pd.DataFrame, place: str, grid: str) -> str:
    row = found[(found["position"] == place) & (found["grid"] == grid) & (found["coefficient"] == "spearman")].iloc[0]
    if pd.isna(row["value"]):
        return f"{row['runs']} runs: too few"
    if pd.isna(row["low"]):
        ends = ""
    else:
        ends = f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"Spearman {row['value']:.2f}{ends}"


def _caption(layer: Layer, row: int) -> str:
    _, channels, height, width = layer.maps.shape
    value, constant = mean_smoothness(smoothness(layer.maps[row]))
    said = f"smoothness {value:.2f}" + (f", {constant} constant" if constant else "")
    if height * width == 1:
        said = "one value each: no smoothness"
    elif np.isnan(value):
        said = "all constant: no smoothness"
    return f"{channels} × {height} × {width}\n{said}"


def _plain(axis: Axes, caption: str) -> None:
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[], anchor="N")
    axis.set_xlabel(caption, fontsize=9.5)


def _styles(values: pd.Series, styles: Sequence[str]) -> Mapping[str, str]:
    return {value: styles[number % len(styles)] for number, value in enumerate(dict.fromkeys(values))}


def _mark(label: str, colour: str, marker: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=7, label=label)

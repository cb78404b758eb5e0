"""Pictures of heat maps: laid over their images, members of an ensemble side by side, with the true place outlined."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from evaluation.figures import canvas
from evaluation.gallery import DPI

COLOUR_MAP = "turbo"  # from dark blue, nothing, over green and yellow to dark red, the most
GRAY, OUTLINE = "#444444", "#111111"
WIDE, NARROWEST, TALLEST = 2.5, 1.6, 3.6  # inches: of a panel
ABOVE, LINE, GAP = 0.55, 0.17, 0.12
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

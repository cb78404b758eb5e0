"""What a data set holds, as the tables of the papers show it (paper 002, table 1)."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.errors import UserError
from common.files import atomic_path
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.splits import PARTS, UNUSED
from datamodules.synthesis.karyogram_writer import KARYOGRAMS, read_karyograms


def overview(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return paper 002's table 1 for one data set: a row with the numbers of images, their sizes and channels.

    Args:
        manifest: The images.
        parts: The part of each image, as `splits.split` returns it; None where it cannot be split as asked.

    Returns:
        data, images, train, validation and test (and unused, where any is) where there is a split, size and channels,
        as text. The size is width x height in pixels: the least of each "to" the largest of each.
    """
    frame = manifest.frame
    if parts is None:
        counts = {}
    else:
        counts = {part: f"{(parts == part).sum():,}" for part in _shown(parts)}
    ends = [(frame["width"].min(), frame["height"].min()), (frame["width"].max(), frame["height"].max())]
    sizes = [f"{width} x {height}" for width, height in dict.fromkeys(ends)]
    channels = ", ".join(map(str, sorted(set(frame["channels"]))))
    row = {"data": manifest.source, "images": f"{len(frame):,}", **counts}
    return pd.DataFrame([{**row, "size": " to ".join(sizes), "channels": channels}])


def class_counts(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return how many images of each class there are in all and in each part, as text.

    Args:
        manifest: The images.
        parts: The part of each image; None where it cannot be split as asked.

    Returns:
        class, images, and train, validation and test (and unused, where any is) where there is a split. Images without
        a label are the class "(no label)"; the last row, "(sum)", is the sum.
    """
    labels = manifest.frame["label"].fillna("(no label)")
    columns = {"images": pd.Series(True, index=labels.index)}
    if parts is not None:
        columns |= {part: parts == part for part in _shown(parts)}
    counts = pd.DataFrame({name: labels[chosen].value_counts() for name, chosen in columns.items()})
    order = [*manifest.classes, *sorted(set(labels) - set(manifest.classes))]
    counts = counts.reindex(order).fillna(0).astype(int)
    counts.loc["(sum)"] = counts.sum()
    return counts.map("{:,}".format).rename_axis("class").reset_index()


def _shown(parts: pd.Series) -> tuple[str, ...]:
    if (parts == UNUSED).any():
        return (*PARTS, UNUSED)
    return PARTS


# images side by side; inches: width of an image, height of its title
_COLUMNS = 3
_PANEL = 6.2
_TITLE = 0.6
_AROUND = 9  # pixels: how far the outline keeps from what it is around, so as to hide nothing


def write_kind_sheet(manifest: Manifest, path: Path) -> int:
    """Draw one image of each kind, or, where kinds are not known, of each class: the first in the manifest.

    Of composed karyograms the karyotype stands above each, and the place of the abnormality is outlined in red. That
    is drawn on the sheet alone: the images stay as they are.

    Args:
        manifest: The images.
        path: The PNG file.

    Returns:
        How many images were drawn.

    Raises:
        UserError: The file is no PNG by its name.
    """
    if path.suffix.lower() != ".png":
        raise UserError(f"--sheet {path}: a PNG file is written: end its name in .png")
    frame = manifest.frame
    kinds = frame["kind"].fillna(frame["label"]).fillna("(no label)")
    rows = kinds.drop_duplicates().index
    known = read_karyograms(manifest.root) if (manifest.root / KARYOGRAMS).is_file() else None
    lines = -(-len(rows) // _COLUMNS)
    columns = min(len(rows), _COLUMNS)
    tallest = (frame["height"] / frame["width"]).loc[rows].max()
    figure = Figure(figsize=(_PANEL * columns, (_PANEL * tallest + _TITLE) * lines), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, row in zip(places, rows, strict=False):
        axes.imshow(read_image(manifest.file(row)))
        title = [f"{kinds[row]}: {frame['image_id'].iloc[row]}"]
        if known is not None:
            facts = known.set_index("image_id").loc[frame["image_id"].iloc[row]]
            title = [f"{facts['kind']} ({facts['origin']}): {facts.name}", facts["iscn"]]
            _outline(axes, facts, manifest.root)
        axes.set_title("\n".join(title), fontsize=11, loc="left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return len(rows)


def _outline(axes: Axes, facts: pd.Series, root: Path) -> None:
    if not facts["truth"]:
        return
    truth = (read_image(root / facts["truth"])[..., 0] > 0).astype(np.uint8)
    around = cv2.dilate(truth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND, _AROUND)))
    contours, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        axes.plot(*np.vstack([contour, contour[:1]])[:, 0].T, color="red", linewidth=0.9)

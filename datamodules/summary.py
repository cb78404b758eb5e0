"""What a data set holds, as the tables of the papers show it (paper 002, table 1)."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.errors import UserError
from common.files import atomic_path
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.splits import PARTS, UNUSED
from datamodules.synthesis.karyogram_writer import KARYOGRAMS, read_karyograms

# images side by side; inches: width of an image, height of its title
_COLUMNS = 3
_PANEL = 6.2
_TITLE = 0.6
_AROUND = 9  # pixels: how far the outline keeps from what it is around, so as to hide nothing


def overview(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return paper 002's table 1 for one data set: a row with the numbers of images, their sizes and channels, as text.

    There are train, validation and test (and unused, where any is) where there are ``parts`` (of `splits.split`). The
    size is width x height in pixels: the least of each "to" the largest of each.
    """
    frame = manifest.frame
    row = {"data": manifest.source, "images": f"{len(frame):,}"}
    for part, members in _members(parts).items():
        row[part] = f"{members.sum():,}"
    width = frame["width"]
    height = frame["height"]
    sizes = [f"{width.min()} x {height.min()}", f"{width.max()} x {height.max()}"]
    row["size"] = " to ".join(dict.fromkeys(sizes))
    row["channels"] = ", ".join(map(str, sorted(frame["channels"].unique())))
    return pd.DataFrame([row])


def class_counts(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return how many images of each class there are in all and in each part of `overview`, as text.

    Images without a label are the class "(no label)"; the last row, "(sum)", is the sum.
    """
    labels = manifest.frame["label"].fillna("(no label)")
    counts = labels.value_counts().to_frame("images")
    for part, members in _members(parts).items():
        counts[part] = labels[members].value_counts()
    order = [*manifest.classes, *sorted(set(labels) - set(manifest.classes))]
    counts = counts.reindex(order).fillna(0).astype(int)
    counts.loc["(sum)"] = counts.sum()
    return counts.map("{:,}".format).rename_axis("class").reset_index()


def _members(parts: pd.Series | None) -> dict[str, pd.Series]:
    """Which images are in each part that tables show."""
    if parts is None:
        return {}
    names = (*PARTS, UNUSED) if UNUSED in set(parts) else PARTS
    return {name: parts == name for name in names}


def write_kind_sheet(manifest: Manifest, path: Path) -> int:
    """Draw the first image of each kind, or, where kinds are not known, of each class; return how many were drawn.

    Composed karyograms have their karyotype above and a red outline around the place of the abnormality.

    Raises:
        UserError: The file is no PNG by its name.
    """
    if path.suffix.lower() != ".png":
        raise UserError(f"--sheet {path}: a PNG file is written: end its name in .png")
    frame = manifest.frame
    kinds = frame["kind"].fillna(frame["label"]).fillna("(no label)")
    shown = frame.loc[kinds.drop_duplicates().index]
    karyograms = None
    if (manifest.root / KARYOGRAMS).is_file():
        karyograms = read_karyograms(manifest.root).set_index("image_id")
    lines = -(-len(shown) // _COLUMNS)
    columns = min(len(shown), _COLUMNS)
    tallest = (shown["height"] / shown["width"]).max()
    figure = Figure(figsize=(_PANEL * columns, (_PANEL * tallest + _TITLE) * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (row, image_id) in zip(panels, shown["image_id"].items(), strict=False):
        axes.imshow(read_image(manifest.file(row)))
        title = f"{kinds[row]}: {image_id}"
        if karyograms is not None:
            facts = karyograms.loc[image_id]
            title = f"{facts['kind']} ({facts['origin']}): {image_id}\n{facts['iscn']}"
            if facts["truth"]:
                _outline(axes, read_image(manifest.root / facts["truth"]))
        axes.set_title(title, fontsize=11, loc="left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return len(shown)


def _outline(axes: Axes, truth: np.ndarray) -> None:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND, _AROUND))
    around = cv2.dilate((truth[..., 0] > 0).astype(np.uint8), kernel)
    contours, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        axes.plot(*np.vstack([contour, contour[:1]])[:, 0].T, color="red", linewidth=0.9)

"""One image of each kind side by side, as a person looks at a data set; of karyograms with the truth outlined."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.errors import UserError
from common.files import atomic_path
from datamodules.images import read_image
from datamodules.manifest import Manifest
from datamodules.sources.karyogram_writing import KARYOGRAMS, read_karyograms

_COLUMNS, _PANEL, _TITLE = 3, 6.2, 0.6  # images side by side; inches: width of an image, height of its title
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
    lines, columns = -(-len(rows) // _COLUMNS), min(len(rows), _COLUMNS)
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

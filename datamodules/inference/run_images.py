"""A few images, prepared as a run's images were: of its test part, or from files of one's own."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import Config, PrepareConfig
from common.errors import UserError
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.cache import prepared_images
from datamodules.preprocessing.chromosome_canvas import TooLargeError, scales
from datamodules.preprocessing.pipeline import prepare_image, to_shape
from datamodules.sources import scan
from datamodules.transforms.presplit_augmentation import ExpandedImages, expand


@dataclass(frozen=True)
class Samples:
    """Prepared images.

    Attributes:
        images: As the network sees them, uint8 RGB, shape (N, H, W, 3).
        names: Their ids, or the names of their files.
        labels: Their classes; None where unknown.
    """

    images: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str | None, ...]


def from_test_part(run: Path, config: Config, count: int, progress: bool = True) -> Samples:
    """Return images of a run's test part: the first of each class, then the second of each, up to ``count``.

    Args:
        run: The run's folder.
        config: Its configuration; ``data_dir`` and ``cache_dir`` say where images and cache lie now.
        count: How many; fewer where the test part has fewer.
        progress: Whether progress bars may be shown.

    Raises:
        UserError: The images are not where they were, or are others than the run was tested on.
    """
    served = ServedImages(config, progress)
    split = pd.read_csv(run / "split.csv", dtype={"image_id": str, "label": str})
    split = split[(split["part"] == "test") & split["label"].notna()]
    order = split["label"].map({name: place for place, name in enumerate(served.manifest.classes)})
    turns = split.groupby("label").cumcount()
    chosen = split.assign(turn=turns, order=order).sort_values(["turn", "order"], kind="stable").head(count)
    if not len(chosen):
        raise UserError(f"{run} has no labelled test images: name files with --images")
    shown = [served[row] for row in served.rows(run, chosen["image_id"])]
    return Samples(np.stack(shown), tuple(chosen["image_id"]), tuple(chosen["label"]))


def from_files(files: list[Path], config: Config) -> Samples:
    """Read image files and prepare them as ``config`` says.

    Raises:
        UserError: A file is no readable image; it does not fit on the canvas; or its scale depends on other images.
    """
    check_alone(config.prepare, "this run", "leave --images out, the samples then come from its test part")
    images = []
    for file in files:
        try:
            images.append(prepare_alone(read_image(file), config.prepare))
        except (BrokenImageError, TooLargeError) as error:
            raise UserError(f"{file}: {error}") from error
    return Samples(np.stack(images), tuple(file.name for file in files), (None,) * len(files))


def check_alone(config: PrepareConfig, run: str, way_out: str) -> None:
    """Refuse a preparation for which the other images of a cell must be known.

    Args:
        config: The preparation.
        run: What the error calls the run.
        way_out: What it says can be done.

    Raises:
        UserError: Each chromosome is scaled with its cell.
    """
    if config.fit == "canvas" and config.canvas.scale_by == "cell":
        raise UserError(f"{run} scales each chromosome with its whole cell (prepare.canvas.scale_by=cell): {way_out}")


def prepare_alone(image: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Prepare an image of which nothing else is known, as the images of a run were, up to what its network sees.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        config: The preparation, one that ``check_alone`` lets pass.

    Returns:
        uint8 RGB, of the height and width of ``config.shape``.

    Raises:
        TooLargeError: A chromosome is larger than the canvas.
    """
    (scale,) = scales(np.zeros(1), np.zeros(1), config)
    return to_shape(prepare_image(image, config, scale), config)


class ServedImages:
    """All images of a run's data.

    Args:
        config: The run's configuration; ``data_dir`` and ``cache_dir`` say where images and cache lie now.
        progress: Whether progress bars may be shown.

    Raises:
        UserError: The images are not there.
    """

    def __init__(self, config: Config, progress: bool = True) -> None:
        self.config = config
        self._progress = progress
        self._scanned = scan(config.data, config.data_dir, Path(config.cache_dir), progress)
        self._expansion = expand(self._scanned, config.data, config.protocol, config.split, config.transform)

    @property
    def manifest(self) -> Manifest:
        """What there is, with the copies that were made before the split."""
        return self._expansion.manifest

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the image of a row of the manifest, uint8 RGB, shape (H, W, 3), as the network sees it."""
        return to_shape(self._images[int(row)], self.config.prepare)

    def rows(self, run: Path, image_ids: pd.Series) -> np.ndarray:
        """Return the manifest rows of images of a run, int64, in the order of their ids.

        Args:
            run: Its folder; ``split.csv`` holds what the files were.
            image_ids: Ids in that table.

        Raises:
            UserError: A file is gone, or is another than the run's.
        """
        split = pd.read_csv(run / "split.csv", dtype={"image_id": str}).drop_duplicates("image_id")
        place = pd.Series(np.arange(len(self.manifest.frame)), self.manifest.frame["image_id"])
        rows = place.reindex(image_ids).to_numpy()
        known = split.set_index("image_id")["sha256"].reindex(image_ids).to_numpy()
        if np.isnan(rows).any() or (self.manifest.frame["sha256"].iloc[rows].to_numpy() != known).any():
            raise UserError(f"the images of data_dir={self.config.data_dir} are not those that {run} was tested on")
        return rows.astype(np.int64)

    @cached_property
    def _images(self) -> np.ndarray | ExpandedImages:
        prepared = prepared_images(self._scanned, self.config.prepare, Path(self.config.cache_dir), self._progress)
        return self._expansion.images(prepared)

"""The images of a run as its network saw them, one by one: whatever was scanned, copied and prepared for it."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import UserError
from common.schema import Config
from datamodules.cache import prepared_images
from datamodules.expansion import ExpandedImages, expand
from datamodules.manifest import Manifest
from datamodules.prepare import to_shape
from datamodules.sources import scan


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
        return self._expansion.manifest if self._expansion else self._scanned

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
        return self._expansion.serve(prepared) if self._expansion else prepared

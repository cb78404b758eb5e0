"""The images of a run's data set, prepared like those that it was tested on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.image_datamodule import ImageDataModule
from datamodules.preprocessing.pipeline import to_shape
from karyocyte.common.errors import UserError
from karyocyte.config.schema import Config
from karyocyte.runs.run import Run


def from_test_part(run: Path, count: int, data_dir: str | None = None, progress: bool = True) -> np.ndarray:
    """Return up to ``count`` images of the test part of a run (a folder), as ``in_turn`` orders them.

    They are the network's input, uint8 RGB, shape (N, H, W, 3). ``data_dir`` is where the images are now; None: where
    they were.

    Raises:
        UserError: The images are missing, or differ from those that the run was tested on.
    """
    run_images = RunImages(Run(run).config, data_dir, progress)
    split = Run(run).split
    test = split[(split["part"] == "test") & split["label"].notna()]
    if not len(test):
        raise UserError(f"{run} has no labelled test images")
    chosen = in_turn(test["label"], run_images.manifest.classes)[:count]
    return np.stack([run_images[row] for row in run_images.rows(run, test["image_id"][chosen])])


def in_turn(labels: pd.Series, classes: Sequence[str]) -> pd.Index:
    """Return the index of the images that have a label: the first of each class, then the second, and so on."""
    labels = labels.dropna()
    frame = pd.DataFrame({"turn": labels.groupby(labels).cumcount(), "order": pd.Categorical(labels, classes).codes})
    return frame.sort_values(["turn", "order"], kind="stable").index


class RunImages:
    """All images of a run's data set, by row of the manifest: uint8 RGB, shape (H, W, 3), the network's input.

    Args:
        config: The run's configuration; ``cache_dir`` is where the cache is now.
        data_dir: Where the images are now; None: where they were.
        progress: Whether progress bars may be shown.

    Attributes:
        manifest: The data set, with the copies that were made before the split.

    Raises:
        UserError: The images are missing.
    """

    def __init__(self, config: Config, data_dir: str | None = None, progress: bool = True) -> None:
        self.data = ImageDataModule(
            config.model_copy(update={"data_dir": data_dir or config.data_dir}), progress=progress
        )
        self.manifest = self.data.expansion.manifest

    def __getitem__(self, row: int) -> np.ndarray:
        return to_shape(self.data.images[int(row)], self.data.config.prepare)

    def rows(self, run: Path, image_ids: pd.Series) -> np.ndarray:
        """Return the manifest rows, int64, of images of the split of a run (a folder), in the order of their ids.

        Raises:
            UserError: A file is missing, or differs from the run's.
        """
        frame = self.manifest.frame
        rows = pd.Index(frame["image_id"]).get_indexer(pd.Index(image_ids))
        split = Run(run).split.drop_duplicates("image_id").set_index("image_id")
        expected = split["sha256"].reindex(image_ids).to_numpy()
        if (rows < 0).any() or (frame["sha256"].iloc[rows].to_numpy() != expected).any():
            raise UserError(
                f"the images of data_dir={self.data.config.data_dir} are not those that {run} was tested on"
            )
        return np.asarray(rows, np.int64)

"""Images prepared like those of a run: of its test part, or from other files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import Config
from common.errors import UserError
from common.runs.run import Run
from datamodules.datasets import data_module
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.preprocessing.pipeline import TooLargeError, prepare_single, to_shape


@dataclass(frozen=True)
class Samples:
    """Prepared images: the network's input, uint8 RGB, shape (N, H, W, 3), ids or names of files, and known classes."""

    images: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str | None, ...]


def from_test_part(run: Path, config: Config, count: int, progress: bool = True) -> Samples:
    """Return images of the test part of a run (a folder): the first of each class, then the second, up to ``count``.

    ``data_dir`` and ``cache_dir`` of the configuration are where images and cache are now.

    Raises:
        UserError: The images are missing, or differ from those that the run was tested on.
    """
    run_images = RunImages(config, progress)
    split = Run(run).split
    test = split[(split["part"] == "test") & split["label"].notna()]
    if not len(test):
        raise UserError(f"{run} has no labelled test images: name files with --images")
    classes = {name: index for index, name in enumerate(run_images.manifest.classes)}
    order = test["label"].map(classes)  # of another data set the classes may be unknown
    test = test.assign(turn=test.groupby("label").cumcount(), order=order)
    samples = test.sort_values(["turn", "order"], kind="stable").head(count)
    images = [run_images[row] for row in run_images.rows(run, samples["image_id"])]
    return Samples(np.stack(images), tuple(samples["image_id"]), tuple(samples["label"]))


def from_files(files: list[Path], config: Config) -> Samples:
    """Read image files and prepare them like the images of a run.

    Raises:
        UserError: A file is not a readable image, or does not fit on the canvas.
    """
    background = config.prepare.background
    images = []
    for file in files:
        try:
            images.append(prepare_single(read_image(file, background), config.prepare))
        except (BrokenImageError, TooLargeError) as error:
            raise UserError(f"{file}: {error}") from error
    return Samples(np.stack(images), tuple(file.name for file in files), (None,) * len(files))


class RunImages:
    """All images of a run's data set, by row of the manifest: uint8 RGB, shape (H, W, 3), the network's input.

    Args:
        config: The run's configuration; ``data_dir`` and ``cache_dir`` are where images and cache are now.
        progress: Whether progress bars may be shown.

    Attributes:
        manifest: The data set, with the copies that were made before the split.

    Raises:
        UserError: The images are missing.
    """

    def __init__(self, config: Config, progress: bool = True) -> None:
        self.data = data_module(config, progress)
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

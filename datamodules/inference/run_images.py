"""The images of a run's data set, prepared like those that it was tested on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.image_datamodule import ImageDataModule
from datamodules.preprocessing.pipeline import to_shape
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run


def from_test_part(folder: Path, count: int, data_dir: str | None = None, progress: bool = True) -> np.ndarray:
    """Return up to ``count`` images of the test part of a run (a folder), as ``in_turn`` orders them.

    They are the network's input, uint8 RGB, shape (N, H, W, 3). Other arguments and errors are those of `RunImages`.
    """
    run = Run(folder)
    test = run.split[(run.split["part"] == "test") & run.split["label"].notna()]
    if not len(test):
        raise UserError(f"{folder} has no labelled test images")
    chosen = in_turn(test["label"], run.data.classes)[:count]
    return np.stack(list(RunImages(run, test["image_id"][chosen], data_dir, progress)))


def in_turn(labels: pd.Series, classes: Sequence[str]) -> pd.Index:
    """Return the index of the images that have a label: the first of each class, then the second, and so on."""
    labels = labels.dropna()
    frame = pd.DataFrame({"turn": labels.groupby(labels).cumcount(), "order": pd.Categorical(labels, classes).codes})
    return frame.sort_values(["turn", "order"], kind="stable").index


class RunImages(Sequence[np.ndarray]):
    """Images of a run's data set, in the order of their ids: uint8 RGB, shape (H, W, 3), the network's input.

    Args:
        run: The run; its ``cache_dir`` is where the cache is now.
        image_ids: Of its split.
        data_dir: Where the images are now; None: where they were.
        progress: Whether progress bars may be shown.

    Raises:
        UserError: The images are missing, or differ from those that the run was tested on.
    """

    def __init__(self, run: Run, image_ids: Iterable[str], data_dir: str | None = None, progress: bool = True) -> None:
        data_dir = data_dir or run.config.data_dir
        self._data = ImageDataModule(run.config.model_copy(update={"data_dir": data_dir}), progress=progress)
        ids = pd.Index(image_ids)
        frame = self._data.manifest.frame
        self._rows = pd.Index(frame["image_id"]).get_indexer(ids)
        expected = run.split.drop_duplicates("image_id").set_index("image_id")["sha256"].reindex(ids)
        if (self._rows < 0).any() or (frame["sha256"].iloc[self._rows].to_numpy() != expected.to_numpy()).any():
            raise UserError(f"the images of data_dir={data_dir} are not those that {run.folder} was tested on")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> np.ndarray:  # type: ignore[override]
        return to_shape(self._data.images[int(self._rows[number])], self._data.config.prepare)

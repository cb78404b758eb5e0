"""A trained model that predicts images in memory and in files: what ``karyocyte.load`` returns."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from datamodules.inference.image_files import ImageFile, find_image_files
from karyocyte.common.cli import quiet
from karyocyte.common.errors import UserError
from karyocyte.evaluation.referral.new_images import select_rules
from karyocyte.inference.models import CheckpointModel, LoadOptions, Model, open_model
from karyocyte.inference.networks import LoadedNetwork, load_networks
from karyocyte.workflows.prediction.files import predict_files, reviewed

Place = str | PathLike[str]  # a file, a folder or a zip file
Images = np.ndarray | Sequence[np.ndarray]  # one image or several, each uint8, RGB (H, W, 3) or gray (H, W)
_RIGHT = (
    "arrays of NumPy, uint8 from 0 to 255, shape (height, width, 3) as RGB or (height, width), several in a list; of "
    "Pillow: numpy.asarray(image.convert('RGB'))"
)
OF_FILES = ["file", "sha256", "seen", "path"]  # columns of the table of files


class LoadedModel:
    """A run, an ensemble, an export or a checkpoint that predicts images as ``predict.py`` does.

    Results are equal to those of the same images in files. ``network`` is that of `CheckpointModel`.

    Attributes:
        classes: Names of the classes.
        warnings: What limits the model, in sentences.
    """

    def __init__(self, paths: Sequence[Path], network: nn.Module | None = None) -> None:
        self.paths = list(paths)
        self.options = LoadOptions(with_passes=True)
        self.model: Model
        if len(paths) == 1 and paths[0].is_file():
            self.model = CheckpointModel(paths[0], network)
        elif network is not None:
            raise UserError("network is of a single checkpoint: a run and an export have their own")
        else:
            self.model = open_model(paths)
            self.model.check()
        self.classes = self.model.facts.classes
        self.warnings = self.model.facts.warnings
        self._networks: list[LoadedNetwork] | None = None

    def predict(self, images: Images | Place | Sequence[Place]) -> pd.DataFrame:
        """Return a row per image, in their order: the table of ``predict.py``.

        Images are arrays, whose table lacks what is known of files, or paths of files, folders and zip files. Among its
        columns are ``prediction``, ``probability``, ``prob_<class>``, ``review`` (whether a person should look) and
        ``reason``; an image that shows nothing has the ``status`` "broken" and no prediction.

        Raises:
            UserError: There is no image, or an array is not uint8 or has another shape.
        """
        places = places_of(images)
        thresholds = self.model.thresholds
        rules = select_rules(thresholds, None)
        if places:
            files = list(find_image_files(places, self.model.facts.cache_dir, progress=False).files)
        else:
            arrays = checked(images)  # type: ignore[arg-type]  # what is neither is refused
            files = [ImageFile(Path(), f"{row:06}", (), array) for row, array in enumerate(arrays)]
        with quiet():
            networks, self._networks = self._networks or load_networks(self.model, self.options), None
            predictions, table, failed = predict_files(self.model, networks, files, lambda count: None)
        if not any(network.adapts for network in networks):  # an adapted one is that of these images
            self._networks = networks
        whole = reviewed(predictions, table, thresholds, rules, failed)
        return whole if places else whole.drop(columns=OF_FILES)


def places_of(images: Images | Place | Sequence[Place]) -> list[Path]:
    """Return images that are named by paths; none where any is an array."""
    several = [images] if isinstance(images, str | PathLike) or is_one(images) else list(images)
    places = [Path(each) for each in several if isinstance(each, str | PathLike)]
    return places if len(places) == len(several) else []


def is_one(images: object) -> bool:
    """Tell an image, also in an order of its axes or of a kind that `checked` refuses, from several."""
    if not isinstance(images, np.ndarray):
        return not isinstance(images, Iterable)
    return images.ndim in (2, 3)


def checked(images: Images) -> list[np.ndarray]:
    """Return images as several; a ``UserError`` says which of them is none."""
    several = [images] if is_one(images) else list(images)
    if not several:
        raise UserError("there is no image: give one array, or a list of them")
    for number, image in enumerate(several, start=1):
        fault = f"image {number} is a {type(image).__name__}"
        if isinstance(image, np.ndarray):
            if image.dtype == np.uint8 and image.ndim in (2, 3) and image.shape[2:] in ((), (3,)):
                continue
            fault = f"image {number} is {image.dtype} of shape {image.shape}"
        raise UserError(f"{fault}: give {_RIGHT}")
    return several  # type: ignore[return-value]  # arrays, all of them

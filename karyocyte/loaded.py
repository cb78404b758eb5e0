"""A trained model that predicts images in memory: what ``karyocyte.load`` returns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.inference.image_files import ImageFile
from karyocyte.common.cli import console
from karyocyte.common.errors import UserError
from karyocyte.evaluation.referral.new_images import select_rules
from karyocyte.inference.models import LoadOptions, open_model
from karyocyte.inference.networks import LoadedNetwork, load_networks
from karyocyte.workflows.prediction.files import predict_files, reviewed
from karyocyte.workflows.prediction.predict_images import thresholds_of_model

Images = np.ndarray | Sequence[np.ndarray]  # one image or several, each uint8, RGB (H, W, 3) or gray (H, W)
OF_FILES = ["file", "sha256", "seen", "path"]  # columns of the table of files


class LoadedModel:
    """A run, an ensemble or a portable model that predicts images as ``predict.py`` does.

    Results are equal to those of the same images in files.

    Attributes:
        classes: Names of the classes.
        warnings: What limits the model, in sentences.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self.model = open_model(paths)
        self.options = LoadOptions()
        self.model.check(self.options)
        self.classes = self.model.facts.classes
        self.warnings = self.model.facts.warnings
        self._networks: list[LoadedNetwork] | None = None

    def predict(self, images: Images) -> pd.DataFrame:
        """Return a row per image, in their order: the table of ``predict.py``, without what is known of files.

        Among its columns are ``prediction``, ``probability``, ``prob_<class>``, ``review`` (whether a person should
        look) and ``reason``; an image that shows nothing has the ``status`` "broken" and no prediction.

        Raises:
            UserError: There is no image, or one is not uint8 or has another shape.
        """
        thresholds = thresholds_of_model(self.model)
        rules = select_rules(thresholds, self.model.facts.positive_class, None)
        files = []
        for number, image in enumerate(checked(images)):
            files.append(ImageFile(Path(), f"{number:06}", (), image))
        with quiet():
            networks, self._networks = self._networks or load_networks(self.model, self.options), None
            predictions, table, failed = predict_files(self.model, networks, files, lambda count: None)
        if not any(network.adapts for network in networks):  # an adapted one is that of these images
            self._networks = networks
        return reviewed(predictions, table, thresholds, rules, failed).drop(columns=OF_FILES)


def is_one(images: Images) -> bool:
    """Tell an image from several."""
    return isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[2] == 3))


def checked(images: Images) -> list[np.ndarray]:
    """Return images as several; a ``UserError`` says which of them is none."""
    several = [np.asarray(images)] if is_one(images) else list(images)
    if not several:
        raise UserError("there is no image: give one array, or a list of them")
    for number, image in enumerate(several, start=1):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            fault = f"image {number} is {image.dtype} of shape {image.shape}"
            raise UserError(f"{fault}: give uint8 from 0 to 255, shape (height, width, 3) as RGB or (height, width)")
    return several


@contextmanager
def quiet() -> Iterator[None]:
    """Print nothing."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before

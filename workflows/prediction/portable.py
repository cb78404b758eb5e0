"""Predictions of new images by a portable model: by torch, or by ONNX Runtime where torch is not installed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from common.cli import say
from common.predictions import FACTS, UPSIDE_DOWN, Predictions
from common.runs.portable import PortableModel
from common.runs.predicted import Predicted, to_predictions
from datamodules.inference.image_batches import ImageFileBatches, common_range_of_files
from datamodules.inference.image_files import ImageFile
from workflows.adaptation import adapt_to, sample_rows
from workflows.portable.networks import choose_runtime, open_network
from workflows.prediction.chunk import Advance

BATCH_SIZE = 32


def load_portable(
    model: PortableModel, runtime: str | None, batchnorm: str | None, files: Sequence[ImageFile]
) -> list["PortableMemberPredictor"]:
    """Return the members of a portable model, loaded and, where it is wanted, adapted to all ``files``.

    Args:
        model: The portable model.
        runtime: "torch" or "onnx"; None: torch where it is installed.
        batchnorm: "trained" or "images"; None: as the members have it.
        files: All files that will be predicted.

    Raises:
        UserError: See `workflows.portable.networks`.
    """
    runtime = choose_runtime(model, runtime, batchnorm)
    members = []
    for position, member in enumerate(model.description.members):
        predictor = PortableMemberPredictor(model, position, runtime, files)
        if runtime == "torch" and member.adapts(batchnorm):
            predictor.adapt([files[int(row)] for row in sample_rows(len(files))])
        members.append(predictor)
    return members


class PortableMemberPredictor:
    """Predicts image files by a member of a portable model, prepared like its own images; see `MemberPredictor`.

    Args:
        model: The portable model.
        position: Of the member, from 0.
        runtime: "torch" or "onnx".
        files: All files that will be predicted.
    """

    def __init__(self, model: PortableModel, position: int, runtime: str, files: Sequence[ImageFile]) -> None:
        self.description = model.description
        self.member = model.description.members[position]
        self.runtime = runtime
        self.network = open_network(model, position, runtime)
        self.full_range = common_range_of_files((file.path for file in files), self.member.prepare)

        self.sample: list[ImageFile] = []  # that BatchNorm is adapted to

    def adapt(self, files: Sequence[ImageFile]) -> None:
        """Adapt the network to files, and say so."""
        self.sample = list(files)
        images = self._batches(files, lambda count: None).prepared(range(len(files)))
        say(adapt_to(self.network, images).note)

    def predict(self, files: Sequence[ImageFile], advance: Advance) -> tuple[Predictions, ImageFileBatches]:
        """Predict some of the files."""
        batches = self._batches(files, advance)
        predicted = self._predicted(batches)
        names = [file.name for file in files]
        frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
        training = self.member.training
        source = "SYNTHETIC images" if training.synthetic else training.source
        about = {"name": training.name, "source": f"trained on {source}", "synthetic": False}
        parts = pd.Series("test", index=frame.index)
        classes = self.description.classes
        return to_predictions(predicted, frame, parts, classes, self.description.positive_class, about), batches

    def depends_on(self) -> dict[str, Any]:
        """Return what the prediction of a file depends on besides the file, JSON-able."""
        return {
            "weights": self.member.sha256,
            "runtime": self.runtime,
            "full_range": self.full_range,
            "batchnorm": [file.name for file in self.sample],
        }

    def _batches(self, files: Sequence[ImageFile], advance: Advance) -> ImageFileBatches:
        paths = [file.path for file in files]
        return ImageFileBatches(paths, self.member.prepare, BATCH_SIZE, self.full_range, advance)

    def _predicted(self, batches: ImageFileBatches) -> Predicted:
        index = [np.zeros(0, np.int64)]
        arrays: dict[str, list[np.ndarray]] = {"probability": [np.zeros((0, len(self.description.classes)))]}
        for batch in batches:
            index.append(batch.index)
            for name, values in self.network.arrays(batch.image).items():
                arrays.setdefault(name, []).append(values.astype(np.float64))
        whole = {name: np.concatenate(parts) for name, parts in arrays.items()}
        return Predicted(np.concatenate(index), whole["probability"], upside_down=whole.get(UPSIDE_DOWN))

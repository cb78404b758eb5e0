"""The review of single images: the table of scripts/predict.py."""

from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pandas as pd

from cytogenetics.review.decisions import FILE, CellDecisions
from cytogenetics.review.reviewed import Reviewed, Source
from datamodules.io.decode import BrokenImageError, read_image
from karyocyte.common.files import safe_stems, sha256_of_value
from karyocyte.common.text import counted
from karyocyte.evaluation.pages.thumbnails import encode
from karyocyte.evaluation.pooling.predicted_table import read_predicted
from karyocyte.evaluation.referral.new_images import CALIBRATED_PREFIX
from karyocyte.runs.predictions import PROBABILITY_PREFIX

SIDE = 800  # pixels of the longer side of a picture
UNDO_KEY = "u"
KEYS = ("1234567890" + ascii_lowercase).replace(UNDO_KEY, "")  # of the classes
NO_CLASS, NO_CLASS_KEY = "", "-"  # of an image that shows none of the classes: without a label, no training uses it
NO_CLASS_NAME = "none of these classes"


class ImageReview(Reviewed):
    """The images of a table of scripts/predict.py, the most doubtful first.

    Raises:
        UserError: The file is none.
    """

    noun = "image"
    media_type = "image/webp"
    actions = frozenset({"move", "approve", "undo"})

    def __init__(self, path: Path) -> None:
        table, facts = read_predicted(path)
        self.output = path
        self.decisions_file = path.with_suffix(f".{FILE}")
        self.classes = (*facts.classes, NO_CLASS)
        self._predicted = facts.classes
        if broken := int((table["status"] == "broken").sum()):
            self.notes = [f"{counted(broken, 'file')} cannot be read: see {path.name}"]
        table["path"] = [str(path.parent / place) for place in table["path"]]
        predicted = table[table["status"] == "predicted"].astype(object)
        # By name: an image has the same identity however doubtful it is.
        by_name = predicted.where(predicted.notna(), None).sort_values("file")
        self.stems = safe_stems(by_name["file"])
        self._images = by_name.set_axis(self.stems)
        self._doubtful_first = self._images.iloc[by_name.index.argsort()]
        self._prefix = PROBABILITY_PREFIX
        if CALIBRATED_PREFIX + self.classes[0] in table:
            self._prefix = CALIBRATED_PREFIX

    def identity(self, stem: str) -> str:
        """Return what tells an image from other pictures, and its probabilities from other predictions."""
        image = self._images.loc[stem]
        probabilities = [image[PROBABILITY_PREFIX + name] for name in self._predicted]
        return sha256_of_value([image.get("sha256"), *probabilities])[:16]

    @property
    def keys(self) -> dict[str, str]:
        """The key of each class that has one: its own digit, where all classes are digits."""
        keys = KEYS
        if "".join(self._predicted).isdigit() and max(map(len, self._predicted)) == 1:
            keys = "".join(self._predicted)
        return dict(zip(self._predicted, keys, strict=False)) | {NO_CLASS: NO_CLASS_KEY}

    def queue(self) -> list[dict[str, Any]]:
        """Return all images, the most doubtful first."""
        doubt = 1 - self._doubtful_first["probability"].astype(float)
        table = pd.DataFrame({"title": self._doubtful_first["file"], "doubt": doubt})
        lines: list[dict[str, Any]] = table.rename_axis("stem").reset_index().to_dict("records")
        return lines

    def shown(self, stem: str, decisions: CellDecisions) -> dict[str, Any]:
        """Return the class, probabilities and reason."""
        image = self._images.loc[stem]
        decided = decisions.fixed.get(image["file"])
        kind = image["prediction"] if decided is None else decided
        return {
            "stem": stem,
            "files": [{"name": image["file"], "class": kind, "fixed": decided is not None}],
            "result": kind or NO_CLASS_NAME,
            "classes": [
                {"name": name, "label": name or NO_CLASS_NAME, "key": self.keys.get(name)} for name in self.classes
            ],
            "prediction": image["prediction"],
            "probabilities": {name: float(image[self._prefix + name]) for name in self._predicted},
            "reason": image["reason"] if image["review"] else None,
        }

    def picture(self, stem: str, decisions: CellDecisions) -> bytes | None:
        """Return the image from its file."""
        try:
            return encode(read_image(Path(self._images.loc[stem, "path"])), SIDE)
        except BrokenImageError:
            return None

    def sources(self, stem: str, decisions: CellDecisions) -> Mapping[str, Source]:
        """Return the image."""
        image = self._images.loc[stem]
        return {image["file"]: Source(Path(image["path"]), {}, sha256=image.get("sha256"))}

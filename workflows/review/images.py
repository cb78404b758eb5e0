"""The review of single images: the table of scripts/predict.py, or the test images of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Self

import pandas as pd

from common.files import safe_stems, sha256_of_file
from common.predictions import PROBABILITY_PREFIX
from common.runs.files import RunFile
from common.runs.run import Run
from common.text import counted
from common.thumbnails import encode, heat_words, read_pictures
from datamodules.io.decode import BrokenImageError, read_image
from evaluation.labelled_runs import evaluation_settings
from evaluation.predicted_table import read_predicted
from evaluation.referral.choices import ReviewThresholds, choose_thresholds, thresholds_of
from evaluation.referral.new_images import CALIBRATED_PREFIX, doubtful_first, review_table, select_rules
from evaluation.result import EvaluationResult
from workflows.members import members_of
from workflows.review.decisions import FILE, CellDecisions
from workflows.review.reviewed import Picture, Reviewed, Source

IMAGE = "image"
HEAT = "heat-"
SIDE = 800  # pixels of the longer side of a picture
WEBP = "image/webp"
UNDO_KEY = "u"
KEYS = ("1234567890" + ascii_lowercase).replace(UNDO_KEY, "")  # of the classes


@dataclass(frozen=True)
class ReviewedImage:
    """An image with its prediction.

    Attributes:
        name: Of the file, or the image_id of a run.
        path: Absolute; the file may be missing.
        subject: None where unknown.
        prediction: The class.
        probability: Of this class, 0 to 1.
        probabilities: Of all classes, calibrated where the run has a temperature.
        conformal_set: Names of classes with commas between; None without one.
        reason: Why a person should look; None where there is none.
    """

    name: str
    path: Path
    subject: str | None
    prediction: str
    probability: float
    probabilities: Mapping[str, float]
    conformal_set: str | None
    reason: str | None


class KeptPictures:
    """The pictures of images, and heat maps of them, that a run has kept: by the name of an image.

    Args:
        run: None of new images: nothing is kept.
    """

    def __init__(self, run: Run | None) -> None:
        self._thumbnails: Path | None = None
        self._heat_maps: list[Path] = []
        if run is not None:
            self._thumbnails = run.thumbnails
            self._heat_maps = list(run.heatmaps)

    @cached_property
    def thumbnails(self) -> dict[str, bytes]:
        """The images."""
        if self._thumbnails is None or not self._thumbnails.is_file():
            return {}
        return read_pictures(self._thumbnails)

    @cached_property
    def heat(self) -> dict[str, dict[str, bytes]]:
        """The heat maps by the name of their picture on the page."""
        return {f"{HEAT}{number}": read_pictures(path) for number, path in enumerate(self._heat_maps)}

    @cached_property
    def _words(self) -> list[dict[str, str]]:
        return [heat_words(path) for path in self._heat_maps]

    def heat_of(self, image: str) -> list[dict[str, str | None]]:
        """Return name, title and words of each heat map of an image."""
        found = []
        for (name, pictures), path, words in zip(self.heat.items(), self._heat_maps, self._words, strict=True):
            if image in pictures:
                found.append({"name": name, "title": path.stem, "words": words.get(image)})
        return found


class ImageReview(Reviewed):
    """Images, the most doubtful first.

    Args:
        output: The table or the run.
        model: Identity of the runs.
        classes: In the order of the probabilities.
        images: The most doubtful first.
        notes: See ``Reviewed``.
        run: Whose pictures and heat maps are shown; None of new images.
    """

    noun = "image"
    columns: Sequence[str] = ()
    actions = frozenset({"move", "approve", "undo"})

    def __init__(
        self,
        output: Path,
        model: str,
        classes: Sequence[str],
        images: Sequence[ReviewedImage],
        notes: Sequence[str] = (),
        run: Run | None = None,
    ) -> None:
        self.output = output
        self.model = model
        self.classes = tuple(classes)
        self.notes = notes
        self._run = run
        self._kept = KeptPictures(run)
        if any(image.subject for image in images):
            self.columns = ("subject",)
        self._place = {image.name: place for place, image in enumerate(images)}
        # By name, whatever the model has found: this is the order of blind readers.
        by_name = sorted(images, key=lambda image: image.name)
        stems = safe_stems(image.name for image in by_name)
        self.stems = stems
        self._images = dict(zip(stems, by_name, strict=True))

    @classmethod
    def of_table(cls, path: Path) -> Self:
        """Return the images of a table of scripts/predict.py.

        Raises:
            UserError: The file is none.
        """
        table, facts = read_predicted(path)
        broken = table[table["status"] == "broken"]
        notes = []
        if len(broken):
            notes.append(f"{counted(len(broken), 'file')} cannot be read: see {path.name}")
        predicted = table[table["status"] == "predicted"]
        return cls(path, sha256_of_file(path)[:16], facts.classes, _images(predicted, facts.classes), notes)

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return the test images of a run.

        Raises:
            UserError: It has no predictions, or thresholds cannot be chosen.
        """
        test = run.predictions.part("test")
        thresholds = _thresholds_of(run)
        rules = select_rules(thresholds, test.sampled, test.positive_class, None)
        frame = test.frame
        table = review_table(test, thresholds, rules)
        root = Path(members_of([run])[0].raw_config.get("data_dir") or "").expanduser().absolute()
        table["file"] = frame["image_id"].to_numpy()
        table["path"] = [str(root / path) for path in frame["path"]]
        table["subject"] = frame["subject"].to_numpy()
        model = sha256_of_file(run.path(RunFile.PREDICTIONS))[:16]
        return cls(run.folder, model, test.classes, _images(table.iloc[doubtful_first(table)], test.classes), run=run)

    @property
    def decisions_file(self) -> Path:
        """In the folder of the run, or beside the table."""
        return self.output / FILE if self._run else self.output.with_suffix(f".{FILE}")

    @property
    def keys(self) -> dict[str, str]:
        """The key of each class that has one: its own digit, where all classes are digits."""
        if all(len(name) == 1 and name.isdigit() for name in self.classes):
            return {name: name for name in self.classes}
        return dict(zip(self.classes, KEYS, strict=False))

    def queue(self, blind: bool) -> list[dict[str, Any]]:
        """Return all images, the most doubtful first; blind readers see numbers, since names may hold a class."""
        if blind:
            return [{"stem": stem, "title": f"image {number}"} for number, stem in enumerate(self.stems, 1)]
        lines = []
        for stem, image in sorted(self._images.items(), key=lambda item: self._place[item[1].name]):
            lines.append({"stem": stem, "title": image.name, "doubt": 1 - image.probability})
        return lines

    def shown(self, stem: str, decisions: CellDecisions, blind: bool) -> dict[str, Any]:
        """Return the class and, unless ``blind``, probabilities, conformal set, reason and heat maps."""
        image = self._images[stem]
        decided = decisions.fixed.get(image.name)
        kind = decided or image.prediction
        if blind:
            kind = decided or ""
        shown = {
            "stem": stem,
            "files": [{"name": image.name, "class": kind or None, "fixed": decided is not None}],
            "result": kind or "no class yet: type the key of one",
            "approved": decisions.approval is not None,
            "undoable": bool(decisions.actions),
            "classes": [{"name": name, "key": self.keys.get(name)} for name in self.classes],
        }
        if not blind:
            shown |= {
                "prediction": image.prediction,
                "probabilities": image.probabilities,
                "conformal_set": image.conformal_set,
                "reason": image.reason,
                "heat": self._kept.heat_of(image.name),
            }
        return shown

    def picture(self, stem: str, name: str, blind: bool) -> Picture | None:
        """Return the image, from its file or as the run has kept it, or a heat map."""
        image = self._images[stem]
        if name == IMAGE:
            content = self._picture_of(image)
        else:
            content = None if blind else self._kept.heat.get(name, {}).get(image.name)
        return Picture(content, WEBP) if content else None

    def _picture_of(self, image: ReviewedImage) -> bytes | None:
        try:
            return encode(read_image(image.path), SIDE)
        except BrokenImageError:
            return self._kept.thumbnails.get(image.name)

    def sources(self, stem: str) -> Mapping[str, Source]:
        """Return the image."""
        image = self._images[stem]
        return {image.name: Source(image.path, image.prediction, {"subject": image.subject or ""})}


def _thresholds_of(run: Run) -> ReviewThresholds:
    if run.metrics:
        return thresholds_of(EvaluationResult.from_dict(run.metrics))
    return choose_thresholds(run.predictions, evaluation_settings(run.raw_config.get("evaluation") or {}))


def _images(table: pd.DataFrame, classes: Sequence[str]) -> list[ReviewedImage]:
    """Return the rows of a table of ``review_table`` with ``file`` and ``path``, in their order."""
    prefix = CALIBRATED_PREFIX if CALIBRATED_PREFIX + classes[0] in table else PROBABILITY_PREFIX
    images = []
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        probabilities = {name: float(row[prefix + name]) for name in classes}
        images.append(
            ReviewedImage(
                name=row["file"],
                path=Path(row["path"]),
                subject=row.get("subject"),
                prediction=row["prediction"],
                probability=float(row["probability"]),
                probabilities=probabilities,
                conformal_set=row.get("conformal_set"),
                reason=row["reason"] if row["review"] else None,
            )
        )
    return images

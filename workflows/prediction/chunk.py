"""The prediction of a chunk of image files: a list of files becomes a table, whatever else is predicted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pandas as pd

from common.predictions import Predictions
from common.runs.files import RunFile
from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFile, printable
from evaluation.averaging import Combiner, align, average, combine
from evaluation.uncertainty.flags import BROKEN, ReviewThresholds, review_table
from workflows.members import seen_parts
from workflows.predict_request import PredictRequest

Advance = Callable[[int], None]  # takes the number of files that were read, for the progress bar


class MemberPredictor(Protocol):
    """A network that is loaded: a run, or a member of an ensemble or of a portable model."""

    def predict(self, files: Sequence[ImageFile], advance: Advance) -> tuple[Predictions, ImageFileBatches]:
        """Return a row per readable file, whose ``image_id`` is the file's name, and the files as they were read."""

    def depends_on(self) -> dict[str, Any]:
        """Return what the prediction of a file depends on besides the file, JSON-able."""


@dataclass(frozen=True)
class PredictedChunk:
    """A row per file with the columns of `ChunkPredictor.table`, and the facts of the predictions."""

    table: pd.DataFrame
    about: dict[str, Any]


class ChunkPredictor:
    """Predicts some of the files of a request at a time; what a file gets does not depend on the others.

    Args:
        request: The request.
        members: The networks; several have one vote each.
        classes: In the order of the probabilities.
        thresholds: Of validation.
        rules: When an image is to be reviewed.
    """

    def __init__(
        self,
        request: PredictRequest,
        members: Sequence[MemberPredictor],
        classes: tuple[str, ...],
        thresholds: ReviewThresholds,
        rules: Sequence[str],
    ) -> None:
        self.request = request
        self.members = members
        self.classes = classes
        self.thresholds = thresholds
        self.rules = rules
        self.parts = request.portable.seen if request.portable else seen_parts(request.members)

    def predict(self, files: Sequence[ImageFile], advance: Advance = lambda count: None) -> PredictedChunk:
        """Predict files.

        Args:
            files: They have different names.
            advance: Is called with the number of files that a member has read.

        Returns:
            A row per file, in their order: ``file`` (its name), ``status`` ("predicted" or "broken"), ``cause`` (of the
            broken), ``label`` (where labels are wanted), the columns of ``flags.review_table``, ``seen`` (the part of a
            run's split that holds the same file; None in none), ``sha256`` and ``path`` (absolute; of a zip file where
            it is unpacked). Broken files are to be reviewed as well.
        """
        predictions, table = self._predict(files, advance)
        if self.request.settings.labels:
            table["label"] = pd.Series([file.label(self.classes) for file in files], dtype=object)
        review = review_table(predictions, self.thresholds, self.rules)
        names = predictions.frame["image_id"].to_numpy()
        return PredictedChunk(_join_review(table, review.assign(file=names)), predictions.about)

    def _predict(self, files: Sequence[ImageFile], advance: Advance) -> tuple[Predictions, pd.DataFrame]:
        """Return the predictions of the readable files, and a row per file with what is known without them."""
        predictions = []
        causes: dict[int, str] = {}
        hashes: dict[int, str] = {}
        for member in self.members:
            of_member, batches = member.predict(files, advance)
            predictions.append(of_member)
            # The first member's cause is reported.
            causes = {**batches.causes, **causes}
            hashes = {**batches.hashes, **hashes}
        names = pd.Series([file.name for file in files], dtype=object)
        cause = pd.Series(causes, names.index, dtype=object)
        table = pd.DataFrame({"file": names, "status": "predicted", "cause": cause, "seen": None}, dtype=object)
        table["sha256"] = pd.Series(hashes, names.index, dtype=object)
        table["path"] = pd.Series([printable(str(file.path.absolute())) for file in files], dtype=object)
        table = table.where(table.notna(), None)
        table.loc[cause.notna(), "status"] = "broken"
        table["seen"] = pd.Series([self.parts.get(digest) for digest in table["sha256"]], dtype=object)
        readable = []
        for of_member in predictions:
            frame = of_member.frame[of_member.frame["image_id"].isin(names[cause.isna()])]
            readable.append(replace(of_member, frame=frame.reset_index(drop=True)))
        return _combine(readable, self.request), table


def _combine(predictions: list[Predictions], request: PredictRequest) -> Predictions:
    if len(predictions) == 1:
        return predictions[0]
    if request.portable:
        names = [f"member {position + 1}" for position in range(len(predictions))]
        combiner = request.portable.description.combiner
        return _combined(predictions, names, combiner)
    names = [str(member.folder) for member in request.members]
    run = request.runs[0]
    if len(request.runs) > 1 or not run.has(RunFile.ENSEMBLE):
        return average(predictions, names)
    return _combined(predictions, names, run.ensemble.combiner)


def _combined(predictions: list[Predictions], names: list[str], values: dict[str, Any] | None) -> Predictions:
    """Combine members as the combiner of an ensemble does, or by their mean."""
    if values is None:
        return average(predictions, names)
    combiner = Combiner.from_dict(values)
    return combine(align(predictions, names), combiner.combine, combiner.method)


def _join_review(files: pd.DataFrame, review: pd.DataFrame) -> pd.DataFrame:
    """Return a row per file with the columns of ``flags.review_table``."""
    table = files.merge(review, on="file", how="left", validate="one_to_one")
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    last = ["seen", "sha256", "path"]
    return table[[name for name in table.columns if name not in last] + last]

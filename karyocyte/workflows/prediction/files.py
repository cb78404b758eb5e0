"""The prediction of image files: a table with a row per file, whatever becomes of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFile, printable
from karyocyte.common.cli import say
from karyocyte.evaluation.pooling.averaging import Combiner, align, average, combine
from karyocyte.evaluation.referral.choices import ReviewThresholds
from karyocyte.evaluation.referral.new_images import BROKEN, review_table
from karyocyte.inference.failed_reader import NewImages, why_failed
from karyocyte.inference.models import Model
from karyocyte.inference.networks import LoadedNetwork, sample_rows
from karyocyte.runs.predicted import Predicted, to_predictions
from karyocyte.runs.predictions import FACTS, Predictions

LAST = ["seen", "sha256", "path"]
_RANKED = ["prediction", "probability", "runner_up", "runner_up_probability", "prediction_at_threshold"]
FOR_READERS = ["file", *_RANKED, "review", "reason", "status", "cause", "note"]
Advance = Callable[[int], None]  # takes the number of files that were read, for the progress bar


def predict_files(
    model: Model, networks: Sequence[LoadedNetwork], files: Sequence[ImageFile], advance: Advance
) -> tuple[Predictions, pd.DataFrame, str | None]:
    """Predict files, which have different names, by all networks of a model.

    Returns:
        The predictions of the readable files; a row per file, in their order: ``file`` (its name), ``status``
        ("predicted" or "broken"), ``cause`` (of the broken), ``note`` (of the others: `Decoded.note`), ``seen`` (the
        part of a run's split that holds the same file; None in none), ``sha256`` and ``path`` (absolute; of a zip file
        where it is unpacked); and why the files look as if a reader had failed (`why_failed`).
    """
    table = pd.DataFrame({"file": [file.name for file in files]})
    table["path"] = [printable(str(file.path.absolute())) for file in files]
    table[["cause", "sha256", "note"]] = None
    predictions = []
    means: dict[int, float] = {}  # as the first network's images are prepared
    for network in networks:
        of_network, batches = _predict_by(network, files, model.facts.positive_class, advance)
        predictions.append(of_network)
        means = means or batches.means
        # The first network's cause is reported.
        for column, found in (("cause", batches.causes), ("sha256", batches.hashes), ("note", batches.notes)):
            table[column] = table[column].fillna(pd.Series(found, dtype=object))
    readable = table["cause"].isna()
    table["status"] = np.where(readable, "predicted", "broken")
    table["seen"] = table["sha256"].map(model.seen)
    table = table[["file", "status", "cause", "note", "sha256", "seen", "path"]].astype(object)
    names = table["file"][readable]
    for number, of_network in enumerate(predictions):
        frame = of_network.frame[of_network.frame["image_id"].isin(names)]
        predictions[number] = replace(of_network, frame=frame.reset_index(drop=True))
    combined = _combine(predictions, model.facts.combiner)
    seen = NewImages(np.array(list(means.values())), combined.probabilities)
    return combined, table.where(table.notna(), None), why_failed(seen, model)


def _predict_by(
    network: LoadedNetwork, files: Sequence[ImageFile], positive_class: str | None, advance: Advance
) -> tuple[Predictions, ImageFileBatches]:
    """Predict files by a network, adapted to them where it wants to be.

    Returns:
        A row per readable file, whose ``image_id`` is the file's name, and the files as they were read.
    """
    frame = pd.DataFrame(dict.fromkeys(FACTS), range(len(files)))
    frame["image_id"] = frame["path"] = [file.name for file in files]
    batches = ImageFileBatches(files, network.prepare, network.batch_size, advance)
    if network.adapts:
        say(network.adapt(batches.prepared_files(sample_rows(len(files)))))
    network.network.make_fast()
    arrays = network.predict(batches)
    predicted = Predicted.of_arrays(batches.usable_positions, arrays, len(network.classes), network.passes)
    parts = pd.Series("test", index=frame.index)
    about = {"name": network.name}
    return to_predictions(predicted, frame, parts, network.classes, positive_class, about), batches


def _combine(predictions: list[Predictions], combiner: dict[str, object] | None) -> Predictions:
    """Combine the predictions of networks as an ensemble does, or by their mean."""
    if len(predictions) == 1:
        return predictions[0]
    names = [f"member {number}" for number in range(1, len(predictions) + 1)]
    if combiner is None:
        return average(predictions, names)
    fitted = Combiner.from_dict(combiner)
    return combine(align(predictions, names), fitted.combine, fitted.method)


def reviewed(
    predictions: Predictions,
    files: pd.DataFrame,
    thresholds: ReviewThresholds,
    rules: Sequence[str],
    failed: str | None = None,
) -> pd.DataFrame:
    """Add the columns of ``review_table`` to the table of ``predict_files``; broken files are to be reviewed.

    So are all others where a reader has ``failed`` (`why_failed`).
    """
    review = review_table(predictions, thresholds, rules)
    names = predictions.frame["image_id"].to_numpy()
    table = files.merge(review.assign(file=names), on="file", how="left", validate="one_to_one")
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    if failed:
        table["review"] = True
        table.loc[~broken, "reason"] = failed
    return table[[*table.columns.drop(LAST), *LAST]]


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the table of ``reviewed`` that a reader needs; there is no threshold of many classes."""
    columns = table[FOR_READERS]
    return (
        columns if columns["prediction_at_threshold"].notna().any() else columns.drop(columns="prediction_at_threshold")
    )

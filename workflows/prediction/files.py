"""The prediction of image files: a table with a row per file, whatever becomes of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from common.cli import say
from common.predictions import FACTS, OUT_OF_DISTRIBUTION, UPSIDE_DOWN, Predictions
from common.runs.predicted import Predicted, to_predictions
from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFile, printable
from evaluation.averaging import Combiner, align, average, combine
from evaluation.referral.choices import ReviewThresholds
from evaluation.referral.new_images import BROKEN, review_table
from workflows.adaptation import sample_rows
from workflows.models import PortableNetworks, RunsModel
from workflows.networks import LoadedNetwork

LAST = ["seen", "sha256", "path"]
Advance = Callable[[int], None]  # takes the number of files that were read, for the progress bar


def predict_by(
    network: LoadedNetwork, files: Sequence[ImageFile], positive_class: str | None, fast: bool, advance: Advance
) -> tuple[Predictions, ImageFileBatches]:
    """Predict files by a network, adapted to them where it wants to be.

    Args:
        network: The network.
        files: They have different names.
        positive_class: None where there are more than two classes.
        fast: Whether the network may be changed so that a CPU computes it sooner.
        advance: Is called with the number of files that were read.

    Returns:
        A row per readable file, whose ``image_id`` is the file's name, and the files as they were read.
    """
    paths = [file.path for file in files]
    batches = ImageFileBatches(paths, network.prepare, network.batch_size, advance)
    if network.adapts:
        say(network.adapt(batches.prepared(sample_rows(len(files)))))
    if fast:
        network.network.make_fast(network.prepare.size)
    arrays = network.predict(batches)
    nothing = (0, len(network.classes))
    passes = arrays["passes"].swapaxes(0, 1) if "passes" in arrays else np.zeros((network.passes, *nothing))
    upside_down = arrays.get(UPSIDE_DOWN)
    predicted = Predicted(
        batches.usable,
        arrays.get("probability", np.zeros(nothing)).astype(np.float64),
        passes=passes if network.passes else None,
        upside_down=None if upside_down is None else upside_down.astype(np.float64),
        out_of_distribution=arrays.get(OUT_OF_DISTRIBUTION),
    )
    names = [file.name for file in files]
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    about = {"name": network.name, "source": f"trained on {network.source}", "synthetic": False}
    parts = pd.Series("test", index=frame.index)
    return to_predictions(predicted, frame, parts, network.classes, positive_class, about), batches


def predict_files(
    model: RunsModel | PortableNetworks,
    networks: Sequence[LoadedNetwork],
    files: Sequence[ImageFile],
    fast: bool,
    advance: Advance,
) -> tuple[Predictions, pd.DataFrame]:
    """Predict files by all networks of a model.

    Returns:
        The predictions of the readable files, and a row per file, in their order: ``file`` (its name), ``status``
        ("predicted" or "broken"), ``cause`` (of the broken), ``seen`` (the part of a run's split that holds the same
        file; None in none), ``sha256`` and ``path`` (absolute; of a zip file where it is unpacked).
    """
    predictions = []
    causes: dict[int, str] = {}
    hashes: dict[int, str] = {}
    for network in networks:
        of_network, batches = predict_by(network, files, model.facts.positive_class, fast, advance)
        predictions.append(of_network)
        # The first network's cause is reported.
        causes = {**batches.causes, **causes}
        hashes = {**batches.hashes, **hashes}
    names = pd.Series([file.name for file in files], dtype=object)
    cause = pd.Series(causes, names.index, dtype=object)
    table = pd.DataFrame({"file": names, "status": "predicted", "cause": cause}, dtype=object)
    table.loc[cause.notna(), "status"] = "broken"
    table["sha256"] = pd.Series(hashes, names.index, dtype=object)
    table["seen"] = table["sha256"].map(model.seen).astype(object)
    table["path"] = pd.Series([printable(str(file.path.absolute())) for file in files], dtype=object)
    readable = []
    for of_network in predictions:
        frame = of_network.frame[of_network.frame["image_id"].isin(names[cause.isna()])]
        readable.append(replace(of_network, frame=frame.reset_index(drop=True)))
    return _combine(readable, model), table.where(table.notna(), None)


def reviewed(
    predictions: Predictions, files: pd.DataFrame, thresholds: ReviewThresholds, rules: Sequence[str]
) -> pd.DataFrame:
    """Add the columns of ``flags.review_table`` to the table of ``predict_files``; broken files are to be reviewed."""
    review = review_table(predictions, thresholds, rules)
    names = predictions.frame["image_id"].to_numpy()
    table = files.merge(review.assign(file=names), on="file", how="left", validate="one_to_one")
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    return table[[*table.columns.drop(LAST), *LAST]]


def _combine(predictions: list[Predictions], model: RunsModel | PortableNetworks) -> Predictions:
    """Combine the networks as the combiner of an ensemble does, or by their mean."""
    if len(predictions) == 1:
        return predictions[0]
    names = [f"member {position + 1}" for position in range(len(predictions))]
    if model.facts.combiner is None:
        return average(predictions, names)
    combiner = Combiner.from_dict(model.facts.combiner)
    return combine(align(predictions, names), combiner.combine, combiner.method)

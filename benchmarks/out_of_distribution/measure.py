"""The scores of a run's own images and of others, and the AUROC between them."""

import copy
import tempfile
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.out_of_distribution.images import (
    CHOICE,
    CONTROLS,
    ImageSet,
    changed,
    inverted,
    of_folder,
    of_part,
    trivial,
)
from benchmarks.out_of_distribution.scores import IN_USE, Described, Score, fit_scores
from benchmarks.shared import show
from common.cli import console
from common.config.defaults import layered_value
from common.config.schema import Config
from common.files import write_csv
from common.predictions import Predictions
from common.revision import revision
from common.runs.predicted import Predicted
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from datamodules.inference.image_batches import ImageFileBatches, common_range_of_files
from datamodules.inference.predict_datamodule import PredictDataModule
from evaluation.core.labelled import score as labelled
from evaluation.intervals.bootstrap import intervals
from lightning_modules.classifier import Classifier
from lightning_modules.inference import predict
from lightning_modules.load import load_run

UNSHOWN = ("relative Mahalanobis", "1 - probability")  # on a terminal of 80 columns
WITHOUT_NETWORK = ("mean grey", "pixels")


class Network:
    """A run's network, which describes images."""

    def __init__(self, classifier: Classifier, config: Config) -> None:
        inference = config.inference.model_copy(update={"mc_passes": 0})
        trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": False})
        self.config = config.model_copy(update={"inference": inference, "trainer": trainer})
        self.classifier = classifier
        head = classifier.head
        self.last: torch.nn.Module = head[-1] if isinstance(head, torch.nn.Sequential) else head

    def of_run(self, data: ImageDataModule) -> tuple[Described, np.ndarray]:
        """Describe what a data module predicts; return the classes, too, int64, shape (N,)."""
        predicted = predict(self.classifier, data, self.config, keep_features=True)
        assert predicted is not None
        return self._described(predicted), data.labels[predicted.rows]

    def files(self, files: ImageSet) -> tuple[Described, np.ndarray]:
        """Describe files as scripts/predict.py reads them; return the rows of those that can be read, too."""
        prepare = self.config.prepare
        full_range = common_range_of_files(files.files, prepare)
        batches = ImageFileBatches(files.files, prepare, self.config.loader.batch_size, full_range)
        predicted = predict(self.classifier, PredictDataModule(batches), self.config, keep_features=True)
        assert predicted is not None
        return self._described(predicted), predicted.rows

    @torch.inference_mode()
    def _described(self, predicted: Predicted) -> Described:
        assert predicted.features is not None
        assert predicted.looks is not None
        features = predicted.features.copy()  # what a buffer holds cannot be written, which torch warns of
        logits = self.last.cpu()(torch.from_numpy(features)).numpy()
        return Described(features, predicted.looks.copy(), logits, predicted.probabilities)


class Measured:
    """The scores of the images of one set, by name, float64, shape (N,)."""

    def __init__(self, network: Network, scores: Mapping[str, Score], images: ImageSet) -> None:
        described, rows = network.files(images)
        self.groups = [images.groups[row] for row in rows]
        self.files = [str(images.files[row]) for row in rows]
        self.values = {name: compute(described) for name, compute in scores.items()}
        self.simple = trivial([images.files[row] for row in rows])


def measure_run(
    run: Run,
    data_dir: str | None,
    folders: Mapping[str, Path],
    inverted_sets: Set[str],
    count: int,
    training_count: int,
) -> pd.DataFrame:
    """Return a row per set and score; see ``benchmarks.out_of_distribution.__main__``.

    ``flagged_inside`` and ``flagged_outside`` are the shares above the threshold of the score in use, of files that are
    read one by one; ``alarms`` is that of all test images as the run read them, of chromosomes in their cells.
    """
    trained = load_run(run.folder)
    config = trained.config if data_dir is None else trained.config.model_copy(update={"data_dir": data_dir})
    data = ImageDataModule.from_config(config, console.is_terminal)
    data.setup()
    network = Network(trained.classifier, config)
    training, labels = network.of_run(data.of_training_images(training_count))
    share = config.evaluation.out_of_distribution
    scores = fit_scores(training, labels, network.of_run(_part(data, "validation"))[0], share)
    alarms = float((scores[IN_USE](network.of_run(_part(data, "test"))[0]) > 1).mean())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for part, changes in (("validation", CHOICE), ("test", CONTROLS)):
            own = of_part(data, part).sample(count)
            others = {word: changed(own, change, place / word) for word, change in changes.items()}
            if part == "test":
                others |= _named(folders, inverted_sets, place, count)
            inside = Measured(network, scores, own)
            for other, images in others.items():
                rows += _rows(inside, Measured(network, scores, images), config, part=part, against=other)
    return pd.DataFrame(rows).assign(label=config.name, alarms=alarms)


def _part(data: ImageDataModule, part: str) -> ImageDataModule:
    """Return a data module that predicts a part."""
    module = copy.copy(data)
    module.trainer = None
    module.predicted = data.rows(part)
    return module


def _named(folders: Mapping[str, Path], inverted_sets: Set[str], place: Path, count: int) -> dict[str, ImageSet]:
    sets = {}
    for number, (name, folder) in enumerate(folders.items()):
        sets[name] = of_folder(folder, Path(layered_value("cache_dir"))).sample(count)
        if name in inverted_sets:
            sets[name] = changed(sets[name], inverted, place / str(number))
    return sets


def _rows(inside: Measured, outside: Measured, config: Config, **facts: str) -> list[dict[str, object]]:
    """Return the AUROC of each score between two sets of images."""
    values = {name: (scores, outside.values[name]) for name, scores in inside.values.items()}
    for name in WITHOUT_NETWORK:
        usual = inside.simple[name].median()
        values[name] = (abs(inside.simple[name] - usual).to_numpy(), abs(outside.simple[name] - usual).to_numpy())
    rows = []
    for name, (own, other) in values.items():
        joined = np.concatenate([own, other])
        frame = pd.DataFrame({"image_id": [f"in {file}" for file in inside.files] + outside.files})
        frame["label"] = ["in"] * len(own) + ["out"] * len(other)
        frame["subject"] = [*inside.groups, *outside.groups]
        frame["cell"] = None
        # Any number from 0 to 1 that rises with the score.
        frame["prob_out"] = pd.Series(joined).rank(method="average") / (len(joined) + 1)
        frame["prob_in"] = 1 - frame["prob_out"]
        about = Predictions(frame, ("in", "out"), "out", {})
        found = intervals(labelled(about), config.evaluation, names=("auc",))["auc"]
        row: dict[str, object] = {**facts, "score": name, "inside": len(own), "outside": len(other)}
        row |= {"value": found.value, "low": found.low, "high": found.high}
        if name == IN_USE:
            row |= {"flagged_inside": float((own > 1).mean()), "flagged_outside": float((other > 1).mean())}
        rows.append(row)
    return rows


def show_and_write(table: pd.DataFrame, csv: Path | None) -> None:
    """Print the AUROC of each set and score, and write the table; rows of other runs stay in it."""
    for part, of_part_ in table.groupby("part", sort=False):
        wide = (
            of_part_.pivot_table(index="against", columns="score", values="value", sort=False)
            .map("{:.3f}".format)
            .reset_index()
        )
        show(wide, str(part), [name for name in wide.columns if name not in UNSHOWN])
    table = table.assign(revision=revision())
    if csv is not None and csv.is_file():
        earlier = pd.read_csv(csv)
        table = pd.concat([earlier[~earlier["label"].isin(table["label"])], table], ignore_index=True)
    if csv is not None:
        write_csv(csv, table.round(4))

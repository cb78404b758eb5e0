"""How a classifier is built, trained, predicted with and evaluated: the recipe of most runs."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from datamodules.feature_datamodule import FeatureDataModule
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.numbers import NUMBERS
from karyocyte.common.cli import console, say
from karyocyte.common.paths import without_machine
from karyocyte.config.schema import Config
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.evaluation.pages.thumbnails import write_pictures
from karyocyte.evaluation.run.evaluate import write_evaluation
from karyocyte.evaluation.sections.baseline import NumberedImages, add_baselines
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.terminal import overview, whole
from karyocyte.evaluation.types.formats import heading
from karyocyte.recipes.recipe import Built, Recipe
from karyocyte.runs.address import run_facts
from karyocyte.runs.files import RunFile
from karyocyte.runs.predicted import Predicted, to_predictions
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import in_sweep
from karyocyte.workflows.training.monitored import add_monitored
from lightning_modules.build.build import InitialisedBackbone, build_classifier
from lightning_modules.modules.classifier import Classifier
from lightning_modules.prediction.out_of_distribution import Distances, fit_distances, save_distances
from lightning_modules.support.distributed import on_rank_zero, raised_on_all_ranks
from lightning_modules.training.fit import FinishedStage, Mode, StagedTraining, delivered, training_facts
from lightning_modules.training.predict import predict


def build_model(config: Config, data: ImageDataModule, first: InitialisedBackbone | None = None) -> Built:
    """Build the network of a run with its first weights; return it with the hashes of what these are."""
    with raised_on_all_ranks():
        classes = data.manifest.classes
        model, contents = build_classifier(config, classes, first)
        add_monitored(model, config.callbacks.monitor, classes)
    return model, contents


def fit_and_predict(model: Classifier, data: ImageDataModule, config: Config, run: Run) -> None:
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    with raised_on_all_ranks():
        data.prepare_data()
    on_rank_zero(data.write_facts, run.folder)
    on_rank_zero(run.write_json, RunFile.MODEL, asdict(model.facts()))
    stages = StagedTraining(
        model, data, config, run.folder, features=FeatureDataModule(data), mode=_mode(config)
    ).train()
    seen = predict_training_images(model, data, config, sum(stage.images_seen for stage in stages))
    distances = on_rank_zero(distances_of_training_images, seen, data)
    predicted = predict(model, data, config, distances)
    on_rank_zero(write_results, run, data, stages, predicted, seen, distances)


def predict_training_images(
    model: Classifier, data: ImageDataModule, config: Config, images_seen: int
) -> Predicted | None:
    """Predict training images once, as they are: without dropout, mirror image and augmentation; None for none.

    As many as the training has seen at most, so that they cost less than it did.
    """
    count = min(config.evaluation.train_images, images_seen)
    if not count:
        return None
    once = config.inference.model_copy(update={"mc_passes": 0, "mirror": False})
    config = config.model_copy(update={"inference": once})
    return predict(model, data.of_training_images(count), config, keep_features=True)


def distances_of_training_images(seen: Predicted | None, data: ImageDataModule) -> Distances | None:
    """Fit the distances from training images that were predicted with their features; None without any.

    Without validation images there would be no threshold, and None is returned, too.
    """
    if seen is None or not len(data.rows("validation")):
        return None
    assert seen.features is not None
    assert seen.looks is not None
    return fit_distances(seen.features, seen.looks)


def write_results(
    run: Run,
    data: ImageDataModule,
    stages: Sequence[FinishedStage],
    predicted: Predicted | None,
    seen: Predicted | None,
    distances: Distances | None,
) -> None:
    """Write predictions and example images of a trained run, and mark it as finished.

    ``seen`` are training images, and ``distances`` those from them.
    """
    assert predicted is not None  # on rank zero
    training = training_facts(stages)
    evaluated, note = delivered(stages, data.config, _mode(data.config))
    facts = {**run_facts(data.config, run.identity), **data.facts(), **training, "run": without_machine(run.folder)}
    if note:
        facts["stages"] = note
    write_predictions(run, data, facts, predicted, seen)
    parts = data.parts.iloc[predicted.rows].to_numpy()
    if distances is not None:
        assert predicted.out_of_distribution is not None
        save_distances(run, distances, predicted.out_of_distribution[parts == "validation"])
    if data.config.evaluation.thumbnails:
        write_thumbnails(run, data, predicted.rows[parts == "test"])
    run.write_status("finished", best=evaluated.best, **training)


def write_predictions(
    run: Run, data: ImageDataModule, facts: dict[str, Any], predicted: Predicted, seen: Predicted | None
) -> None:
    """Write the table of predictions with its baselines, and that of training images, where some were predicted."""
    manifest = data.manifest
    about_images = (manifest.frame, data.parts, manifest.classes, manifest.positive_class)
    of_classes = replace(predicted, out_of_distribution=None)  # two distances, of which the score is made later
    predictions = to_predictions(of_classes, *about_images, facts)
    numbered = NumberedImages(manifest.frame[[*NUMBERS]], data.labels, data.parts.to_numpy())
    run.write_predictions(add_baselines(predictions, predicted.rows, numbered))
    if seen is not None:
        run.write_predictions(to_predictions(seen, *about_images, facts), RunFile.PREDICTIONS_TRAIN)


def write_thumbnails(run: Run, data: ImageDataModule, rows: np.ndarray) -> None:
    """Write small pictures of some manifest rows, which the report shows."""
    image_ids = data.manifest.frame["image_id"].iloc[rows]
    pictures = (data.images[row] for row in rows)
    write_pictures(run.path(RunFile.THUMBNAILS), image_ids, pictures, data.config.evaluation.thumbnails)


def _mode(config: Config) -> Mode:
    return "min" if lower_is_better(config.callbacks.monitor) else "max"


def keep_result(folder: Path, config: Config, data: ImageDataModule) -> None:  # noqa: ARG001 (as of a detector)
    """Evaluate the predictions of a finished run, print how good they are and keep it as text."""
    run = Run(folder)
    result = write_evaluation(folder, run.predictions, config.evaluation, run.predictions_train)
    with console.capture() as shown:
        console.print(overview(result))
        named = shlex.quote(str(folder))
        say(f"results in {folder}", "all figures: summary.txt in it", f"next: python scripts/report.py {named}")
    with console.capture() as details:
        console.print(whole(result))
    private = _plain(shown.get()).replace(str(folder), without_machine(folder))
    run.write_summary(private, _plain(details.get()))
    if in_sweep():
        say(f"{heading(result.about)}: {sentence(result)}")
    else:
        print(shown.get(), end="", flush=True)


def _plain(text: str) -> str:
    return Text.from_ansi(text).plain.rstrip() + "\n"


CLASSIFICATION = Recipe(ImageDataModule, build_model, fit_and_predict, keep_result)

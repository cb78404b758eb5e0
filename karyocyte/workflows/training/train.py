"""Train and evaluate one run: data module, model, fit, predict, evaluate."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from rich.text import Text

from datamodules.feature_datamodule import FeatureDataModule
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.numbers import NUMBERS
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.cli import console, say
from karyocyte.common.installed import entries
from karyocyte.common.paths import without_machine
from karyocyte.common.revision import revision
from karyocyte.config.distributed import World
from karyocyte.config.schema import Config, TrainingConfig
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.evaluation.pages.thumbnails import write_pictures
from karyocyte.evaluation.pooling.sections import own_sections
from karyocyte.evaluation.run.evaluate import write_evaluation
from karyocyte.evaluation.sections.baseline import NumberedImages, add_baselines
from karyocyte.evaluation.tables.terminal import headline, overview, whole
from karyocyte.recipes.recipe import Built, Recipe
from karyocyte.runs import usage
from karyocyte.runs.address import run_facts, run_folder, run_identity
from karyocyte.runs.files import RunFile
from karyocyte.runs.lifecycle import begin, check_run, locked, recorded
from karyocyte.runs.predicted import Predicted, to_predictions
from karyocyte.runs.run import Run
from karyocyte.runs.stages import warnings_of_stages
from karyocyte.runs.sweeps import in_sweep, note_run
from karyocyte.workflows.training.monitored import add_monitored
from lightning_modules.build.build import InitialisedBackbone, build_classifier, initialise_backbone
from lightning_modules.modules.classifier import Classifier
from lightning_modules.prediction.out_of_distribution import Distances, fit_distances, save_distances
from lightning_modules.support.distributed import (
    check_equal,
    on_rank_zero,
    process_group,
    raised_on_all_ranks,
    rank_zero_context,
    rank_zero_first,
)
from lightning_modules.training.fit import FinishedStage, Mode, delivered, train_stages, training_facts
from lightning_modules.training.predict import predict
from lightning_modules.training.process import set_up_torch


def run(config: TrainingConfig, begun: Callable[[Path], None] | None = None) -> Path:
    """Check everything, train what is not trained yet and evaluate it.

    Args:
        config: The typed configuration.
        begun: Called with the folder of the run when its training begins.

    Returns:
        The run's folder.

    Raises:
        UserError: Configuration, data, weights or the run's folder do not fit.
    """
    set_up_torch()
    revision()  # the code may change while the images are scanned
    with process_group(config.trainer) as world:
        recipe = recipe_of(config)
        data, model, contents = prepare(config, world)
        with opened_run(config, data, contents) as (run, is_to_train):
            if is_to_train:
                with rank_zero_context(recorded(run.folder)), usage.measured(run.folder, config.trainer):
                    if begun:
                        begun(run.folder)
                    recipe.fit(model, data, config, run)
            on_rank_zero(recipe.report, run.folder, config, data)
    return run.folder


def prepare(config: TrainingConfig, world: World = World()) -> tuple[SplitDataModule, *Built]:  # noqa: B008 (frozen)
    """Return data, network and the hashes of its first weights, and check before all that needs no images."""
    recipe = recipe_of(config)
    with rank_zero_first():
        if isinstance(config, Config):
            own_sections(config.evaluation)  # so that a wrong name is an error before the training
        first = initialise_backbone(config)
    data = recipe.data(config, progress=config.trainer.enable_progress_bar, world=world)
    with rank_zero_first():
        data.setup()
    return data, *recipe.build(config, data, first)


def build_model(config: Config, data: ImageDataModule, first: InitialisedBackbone | None = None) -> Built:
    """Build the network of a run with its first weights; return it with the hashes of what these are."""
    with raised_on_all_ranks():
        classes = data.manifest.classes
        model, contents = build_classifier(config, classes, first)
        add_monitored(model, config.callbacks.monitor, classes)
    return model, contents


@contextmanager
def opened_run(
    config: TrainingConfig, data: SplitDataModule, contents: dict[str, str | None]
) -> Iterator[tuple[Run, bool]]:
    """Hold the folder of a run, which no other process may train into; yield it, and whether it is not finished yet."""
    identity = run_identity(config, {"data": data.content_hash(), **contents})
    folder = run_folder(config, identity)
    check_equal((str(folder), identity), "their configuration, images or weights")
    note_run(folder)
    on_rank_zero(check_run, folder, identity)
    with rank_zero_context(locked(folder)):
        description = [] if in_sweep() else data.describe()
        warnings = [*data.warnings(), *warnings_of_stages(config)]
        yield Run(folder), on_rank_zero(begin, folder, data.config, identity, description, warnings)


def fit_and_predict(model: Classifier, data: ImageDataModule, config: Config, run: Run) -> None:
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    with raised_on_all_ranks():
        data.prepare_data()
    on_rank_zero(data.write_facts, run.folder)
    on_rank_zero(run.write_json, RunFile.MODEL, asdict(model.facts()))
    stages = train_stages(model, data, config, run.folder, features=FeatureDataModule(data), mode=_mode(config))
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
    config = data.config
    manifest = data.manifest
    training = training_facts(stages)
    evaluated, note = delivered(stages, config, _mode(config))
    facts = {**run_facts(config, run.identity), **data.facts(), **training, "run": without_machine(run.folder)}
    if note:
        facts["stages"] = note
    about_images = (manifest.frame, data.parts, manifest.classes, manifest.positive_class)
    of_classes = replace(predicted, out_of_distribution=None)  # two distances, of which the score is made later
    predictions = to_predictions(of_classes, *about_images, facts)
    numbered = NumberedImages(manifest.frame[[*NUMBERS]], data.labels, data.parts.to_numpy())
    predictions = add_baselines(predictions, predicted.rows, numbered)
    run.write_predictions(predictions)
    if seen is not None:
        run.write_predictions(to_predictions(seen, *about_images, facts), RunFile.PREDICTIONS_TRAIN)
    parts = data.parts.iloc[predicted.rows].to_numpy()
    if distances is not None:
        assert predicted.out_of_distribution is not None
        save_distances(run, distances, predicted.out_of_distribution[parts == "validation"])
    if size := config.evaluation.thumbnails:
        pictures = (data.images[row] for row in predicted.rows[parts == "test"])
        write_pictures(run.path(RunFile.THUMBNAILS), predictions.part("test").frame["image_id"], pictures, size)
    run.write_status("finished", best=evaluated.best, **training)


def _mode(config: TrainingConfig) -> Mode:
    return "min" if lower_is_better(config.callbacks.monitor) else "max"


def report(folder: Path, config: Config, data: ImageDataModule) -> None:  # noqa: ARG001 (as of a detector)
    """Evaluate the predictions of a finished run, print the closing table and keep it as text."""
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
        say(headline(result))
    else:
        print(shown.get(), end="", flush=True)


def _plain(text: str) -> str:
    return Text.from_ansi(text).plain.rstrip() + "\n"


CLASSIFICATION = Recipe(ImageDataModule, build_model, fit_and_predict, report)


def recipe_of(config: TrainingConfig) -> Recipe:
    """Return how a kind of network is trained; the modules of the other kinds are not loaded."""
    if isinstance(config, Config):
        return CLASSIFICATION
    recipe: Recipe = entries("recipes")[config.recipe].load()
    return recipe

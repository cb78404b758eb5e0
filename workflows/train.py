"""Train and evaluate one run: what train.py does once the configuration is checked."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import cli as start
from common.cli import console, say
from common.config.schema import Config
from common.files import write_json
from common.revision import revision
from common.runs import usage
from common.runs.address import run_facts, run_folder, run_identity
from common.runs.lifecycle import Watch, begin, check_run, locked, no_callbacks, recorded
from common.runs.run import write_status
from common.sweeps import records as sweeps

if TYPE_CHECKING:
    from datamodules.image_datamodule import ImageDataModule
    from lightning_modules.classifier import Classifier


def run(config: Config, watch: Watch = no_callbacks) -> Path:
    """Check everything, train what is not trained yet, judge it, and return the run's folder."""
    with start.heavy_imports():  # here, so that --help and a mistyped key do not wait for torch
        from datamodules.image_datamodule import ImageDataModule
        from lightning_modules import distributed as processes
        from lightning_modules.build import build_classifier
        from lightning_modules.stages.fit import set_up_torch
    set_up_torch()
    revision()
    with processes.joined(config.trainer) as world:
        data = ImageDataModule.from_config(config, config.trainer.enable_progress_bar, world)
        processes.first_before_others(data.setup)
        classes = data.manifest.classes
        weights = data.plan.class_weights
        model, contents = processes.together(lambda: build_classifier(config, classes, weights))
        identity = run_identity(config, {"data": data.content_hash(), **contents})
        folder = run_folder(config, identity)
        processes.agreed((str(folder), identity), "their configuration, images or weights")
        sweeps.note_run(folder)
        processes.first_does(lambda: check_run(folder, config, identity))
        with processes.first_holds(lambda: locked(folder)):
            if processes.first_decides(lambda: begin(folder, config, identity, data)):
                status_kept = processes.first_holds(lambda: recorded(folder))
                with status_kept, usage.measured(folder, config.trainer):
                    train_and_predict(model, data, config, folder, run_facts(config, identity), watch(folder))
            processes.first_does(lambda: report(folder, config))
    return folder


def train_and_predict(
    model: "Classifier", data: "ImageDataModule", config: Config, folder: Path, facts: dict[str, Any], watching: list
) -> None:
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    from common.predictions import write_predictions
    from evaluation.error_analysis.examples import galleries, write_thumbnails
    from lightning_modules import distributed as processes
    from lightning_modules.inference import predict, to_predictions
    from lightning_modules.stages.fit import train_stages

    processes.together(data.prepare_data)
    processes.first_does(lambda: (data.write_facts(folder), write_json(folder / "model.json", model.facts())))
    stages = train_stages(model, data, config, folder, watching)
    budget = {"images_seen": sum(s.images_seen for s in stages), "wall_seconds": sum(s.seconds for s in stages)}
    about = {**facts, **data.facts(), **budget, "run": str(folder)}
    predicted = predict(model, data, config)
    of = data.manifest

    def keep() -> None:
        predictions = to_predictions(predicted, of.frame, data.parts, of.classes, of.positive_class, about)
        write_predictions(folder / "predictions.parquet", predictions)
        test = predictions.part("test")
        rows = data.rows("test")
        galleries(folder, test, data.images, rows)
        write_thumbnails(folder, test, data.images, rows, config.evaluation.thumbnails)
        write_status(folder, "finished", best=stages[-1].best, **budget)

    processes.first_does(keep)


def report(folder: Path, config: Config) -> None:
    """Judge the predictions of a finished run and print the closing table."""
    from common.predictions import read_predictions
    from common.runs.history import read_history
    from evaluation.evaluate import write_evaluation
    from evaluation.terminal import table

    result = write_evaluation(folder, read_predictions(folder), read_history(folder), config.evaluation)
    console.print(table(result))
    say(f"all of it: {folder}")

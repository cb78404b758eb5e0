"""Train and judge one model: ``python train.py +experiment=<name>``; conf/train.yaml explains every key."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig

from common import runs
from common.config import check_config, check_override_order
from common.console import console, say, warn
from common.files import write_json
from common.jobs import command_line, job
from common.schema import Config

if TYPE_CHECKING:
    from datamodules.image_datamodule import ImageDataModule
    from lightning_modules.classifier import Classifier


@hydra.main(version_base="1.3", config_path=str(runs.ROOT / "conf"), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job of a single run or of a multirun."""
    with job() as overrides:
        check_override_order(overrides)
        run(check_config(composed))


def run(config: Config, watch: runs.Watch = runs.unwatched) -> Path:
    """Check everything, train what is not trained yet, judge it, and return the run's folder."""
    # Imported here, so that --help and a mistyped key do not wait for torch.
    from datamodules.image_datamodule import ImageDataModule
    from lightning_modules.building import build_classifier
    from lightning_modules.staged_training import set_up_torch

    set_up_torch()
    runs.revision()
    data = ImageDataModule(config, config.trainer.enable_progress_bar)
    data.inspect()
    model, contents = build_classifier(config, data.manifest.classes, data.plan.class_weights)
    identity = runs.run_identity(config, {"data": data.content_hash(), **contents})
    folder = runs.run_folder(config, identity)
    runs.check_run(folder, config, identity)
    with runs.locked(folder):
        runs.check_run(folder, config, identity)
        if runs.is_finished(folder):
            say("finished already", str(folder), *runs.other_code(folder))
            runs.update_evaluation(folder, config)
        else:
            warn(*runs.other_code(folder), *data.warnings())
            runs.open_run(folder, config, identity, sys.argv)
            say(str(folder), *data.describe())
            with runs.recorded(folder):
                train_and_predict(model, data, config, folder, runs.facts_of(config, identity), watch(folder))
        report(folder, config)
    return folder


def train_and_predict(
    model: "Classifier", data: "ImageDataModule", config: Config, folder: Path, facts: dict[str, Any], watching: list
) -> None:
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    from common.predictions import write_predictions
    from evaluation.gallery import galleries
    from evaluation.thumbnails import write_thumbnails
    from lightning_modules.inference import predict, to_predictions
    from lightning_modules.staged_training import train_stages

    data.prepare()
    data.write_facts(folder)
    write_json(folder / "model.json", model.facts())
    stages = train_stages(model, data, config, folder, watching)
    budget = {"images_seen": sum(s.images_seen for s in stages), "wall_seconds": sum(s.seconds for s in stages)}
    about = {**facts, **data.facts(), **budget, "run": str(folder)}
    predicted, manifest = predict(model, data, config), data.manifest
    predictions = to_predictions(
        predicted, manifest.frame, data.parts, manifest.classes, manifest.positive_class, about
    )
    write_predictions(folder / "predictions.parquet", predictions)
    galleries(folder, predictions.part("test"), data.images, data.rows("test"))
    write_thumbnails(folder, predictions.part("test"), data.images, data.rows("test"), config.evaluation.thumbnails)
    runs.write_status(folder, "finished", best=stages[-1].best, **budget)


def report(folder: Path, config: Config) -> None:
    """Judge the predictions of a finished run and print the closing table."""
    from common.history import read_history
    from common.predictions import read_predictions
    from evaluation.judge import write_judgement
    from evaluation.tables import table

    judgement = write_judgement(folder, read_predictions(folder), read_history(folder), config.evaluation)
    console.print(table(judgement))
    say(f"all of it: {folder}")


if __name__ == "__main__":
    with command_line():
        main()

"""Train and judge one model: ``python train.py +experiment=<name>``; conf/train.yaml explains every key."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig

from common import runs, start, sweeps, usage
from common.config import check_config, check_override_order
from common.console import console, say
from common.files import write_json
from common.jobs import command_line, job
from common.schema import Config

if TYPE_CHECKING:
    from datamodules.image_datamodule import ImageDataModule
    from lightning_modules.classifier import Classifier


@hydra.main(version_base="1.3", config_path=str(runs.ROOT / "conf"), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job of a single run or of a multirun."""
    with job(composed) as overrides:
        check_override_order(overrides)
        run(check_config(composed))


def run(config: Config, watch: runs.Watch = runs.unwatched) -> Path:
    """Check everything, train what is not trained yet, judge it, and return the run's folder."""
    with start.heavy_imports():  # here, so that --help and a mistyped key do not wait for torch
        from datamodules.image_datamodule import ImageDataModule
        from lightning_modules import processes
        from lightning_modules.building import build_classifier
        from lightning_modules.staged_training import set_up_torch
    set_up_torch()
    runs.revision()
    with processes.joined(config.trainer) as world:
        data = ImageDataModule(config, config.trainer.enable_progress_bar, world)
        processes.first_before_others(data.inspect)
        classes, weights = data.manifest.classes, data.plan.class_weights
        model, contents = processes.together(lambda: build_classifier(config, classes, weights))
        identity = runs.run_identity(config, {"data": data.content_hash(), **contents})
        folder = runs.run_folder(config, identity)
        processes.agreed((str(folder), identity), "their configuration, images or weights")
        sweeps.note_run(folder)
        processes.first_does(lambda: runs.check_run(folder, config, identity))
        with processes.first_holds(lambda: runs.locked(folder)):
            if processes.first_decides(lambda: runs.begin(folder, config, identity, data)):
                recorded = processes.first_holds(lambda: runs.recorded(folder))
                with recorded, usage.measured(folder, config.trainer):
                    train_and_predict(model, data, config, folder, runs.facts_of(config, identity), watch(folder))
            processes.first_does(lambda: report(folder, config))
    return folder


def train_and_predict(
    model: "Classifier", data: "ImageDataModule", config: Config, folder: Path, facts: dict[str, Any], watching: list
) -> None:
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    from common.predictions import write_predictions
    from evaluation.gallery import galleries
    from evaluation.thumbnails import write_thumbnails
    from lightning_modules import processes
    from lightning_modules.inference import predict, to_predictions
    from lightning_modules.staged_training import train_stages

    processes.together(data.prepare)
    processes.first_does(lambda: (data.write_facts(folder), write_json(folder / "model.json", model.facts())))
    stages = train_stages(model, data, config, folder, watching)
    budget = {"images_seen": sum(s.images_seen for s in stages), "wall_seconds": sum(s.seconds for s in stages)}
    about = {**facts, **data.facts(), **budget, "run": str(folder)}
    predicted, of = predict(model, data, config), data.manifest

    def keep() -> None:
        predictions = to_predictions(predicted, of.frame, data.parts, of.classes, of.positive_class, about)
        write_predictions(folder / "predictions.parquet", predictions)
        test, rows = predictions.part("test"), data.rows("test")
        galleries(folder, test, data.images, rows)
        write_thumbnails(folder, test, data.images, rows, config.evaluation.thumbnails)
        runs.write_status(folder, "finished", best=stages[-1].best, **budget)

    processes.first_does(keep)


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

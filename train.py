"""Train and judge one model: ``python train.py +experiment=<name>``; conf/train.yaml explains every key."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from common.cli import report_user_errors
from common.config import check_config, check_override_order, explain_composition
from common.console import console, say, warn
from common.errors import UserError
from common.runs import (
    ROOT,
    facts_of,
    is_finished,
    locked,
    open_run,
    read_status,
    recorded,
    run_folder,
    run_identity,
    write_status,
)
from common.schema import Config

FAILED: list[tuple[str, UserError]] = []


@hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="train")
def main(composed: DictConfig) -> None:
    """Run one job; within a multirun a user's error is noted and the other jobs go on."""
    hydra_config = HydraConfig.get()
    try:
        check_override_order(hydra_config.overrides.task)
        run(check_config(composed))
    except UserError as error:  # Hydra would print a page around it, and end a multirun
        FAILED.append((" ".join(hydra_config.overrides.task), error))
        if hydra_config.mode == RunMode.MULTIRUN:
            warn(f"this job failed: {error}")


def run(config: Config) -> Path:
    """Check everything, train what is not trained yet, judge it, and return the run's folder."""
    # Imported here, so that --help and a mistyped key do not wait for torch.
    from datamodules.image_datamodule import ImageDataModule
    from datamodules.manifest import content_hash
    from lightning_modules.building import build_classifier
    from lightning_modules.staged_training import quiet_lightning

    quiet_lightning()
    data = ImageDataModule(config, config.trainer.enable_progress_bar)
    data.inspect()
    model, contents = build_classifier(config, len(data.manifest.classes), data.plan.class_weights)
    identity = run_identity(config, {"data": content_hash(data.manifest), **contents})
    folder = run_folder(config, identity)
    with locked(folder):
        if config.resume == "auto" and is_finished(folder):
            say("finished already", str(folder))
            report(folder, config)
            return folder
        open_run(folder, config, identity, sys.argv)
        say(str(folder), *data.describe())
        warn(*data.leaks.lines())
        with recorded(folder):
            train_and_predict(model, data, config, folder)
        report(folder, config)
    return folder


def train_and_predict(model: "Classifier", data: "ImageDataModule", config: Config, folder: Path) -> None:  # noqa: F821
    """Prepare the images, train the stages, write predictions.parquet and mark the run as finished."""
    from common.predictions import write_predictions
    from evaluation.gallery import examples
    from lightning_modules.inference import predict, to_predictions
    from lightning_modules.staged_training import train_stages

    data.prepare()
    data.write_facts(folder)
    stages = train_stages(model, data, config, folder)
    budget = {"images_seen": sum(s.images_seen for s in stages), "wall_seconds": sum(s.seconds for s in stages)}
    about = {**facts_of(config), **data.facts(), **budget, "run": str(folder)}
    rows, probabilities = predict(model, data, config)
    manifest = data.manifest
    predictions = to_predictions(
        rows, probabilities, manifest.frame, data.parts, manifest.classes, manifest.positive_class, about
    )
    write_predictions(folder / "predictions.parquet", predictions)
    examples(folder / "examples.png", predictions.part("test"), data.images[data.rows("test")])
    write_status(folder, "finished", best=stages[-1].best, **budget)


def report(folder: Path, config: Config) -> None:
    """Judge the predictions of a finished run and print the closing table."""
    from common.predictions import read_predictions
    from evaluation.judge import write_judgement
    from evaluation.tables import table
    from lightning_modules.staged_training import read_history

    judgement = write_judgement(folder, read_predictions(folder), read_history(folder), config.evaluation)
    console.print(table(judgement))
    status = read_status(folder)
    say(f"{status['images_seen']:,} training images seen in {status['wall_seconds']:.0f} s", f"all of it: {folder}")


def command_line() -> None:
    """Let Hydra compose and run; end a user's error as one line and exit code 1."""
    # Hydra then lets errors through, instead of printing its own page about them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    with report_user_errors(), explain_composition():
        FAILED.clear()
        main()
        if len(FAILED) == 1:
            raise FAILED[0][1]
        if FAILED:
            raise UserError(f"{len(FAILED)} jobs failed: " + " | ".join(f"{job}: {error}" for job, error in FAILED))


if __name__ == "__main__":
    command_line()

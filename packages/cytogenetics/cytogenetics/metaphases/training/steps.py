"""The steps that the trainings of a detector, of a refiner and of a cutter share."""

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cytogenetics.config.networks import DetectorConfig, MetaphaseConfig
from cytogenetics.metaphases.networks.picture_network import PictureNetwork
from cytogenetics.metaphases.networks.trained import NETWORKS, build_head, load
from cytogenetics.trained.pictures import DETECTOR_FACTS
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file, write_csv, write_json
from karyocyte.evaluation.tables.renderers import terminal
from karyocyte.evaluation.types.table import Table
from karyocyte.recipes.recipe import Built
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import in_sweep
from lightning_modules.build.build import InitialisedBackbone
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.support.distributed import on_rank_zero
from lightning_modules.training.fit import Mode, StagedTraining, delivered, training_facts
from lightning_modules.training.predict import predicted_arrays

Found = dict[str, np.ndarray]  # what ``predict_step`` returns, of all pictures


def build_network(config: MetaphaseConfig, data: SplitDataModule, first: InitialisedBackbone) -> Built:
    """Build the network of a run with its first weights; return it with the hashes of what these are.

    Raises:
        UserError: The backbone of a detector is no ResNet, or the monitored metric is not of the network.
    """
    network = NETWORKS[config.recipe]
    if config.callbacks.monitor not in network.monitors:
        raise UserError(f"callbacks.monitor={config.callbacks.monitor}: choose one of {', '.join(network.monitors)}")
    torch.set_rng_state(first.random_state)
    head = build_head(config.recipe, first.backbone, config.decoder.width if isinstance(config, DetectorConfig) else 0)
    facts = ModelFacts(list(first.info.mean), list(first.info.std), first.info.args)
    settings = TrainingSettings(optimizer=config.optimizer, scheduler=config.scheduler)
    model = network(first.backbone.module, head, facts, settings)
    if config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    return model, {"weights": first.info.content_hash(), "init_from": load_start(model, config.init_from)}


def load_start(model: PictureNetwork, init_from: str | None) -> str | None:
    """Load the weights of the finished run or the export ``init_from``; return the SHA-256 of their file.

    Raises:
        UserError: Its network is another one.
    """
    if init_from is None:
        return None
    folder = Path(init_from)
    start = load(folder, type(model))
    description = start.description
    if start.facts() != model.facts():
        raise UserError(f"init_from={init_from} takes images of another mean and std: use its weights= here too")
    try:
        model.load_state_dict(start.state_dict())
    except RuntimeError as error:  # other names or shapes
        network = description.settings.model
        words = f"model={network.name} model.cut={network.cut or 'null'}"
        if description.width:
            words += f" decoder.width={description.width}"
        raise UserError(f"init_from={init_from} is another network: set {words} here too") from error
    return sha256_of_file(Run(folder).best_checkpoint)


def fit_and_predict(
    model: StagedModule,
    data: SplitDataModule,
    config: MetaphaseConfig,
    run: Run,
    write: Callable[[Found, Any, Path], None],
) -> None:
    """Train the stages, ``write`` the predictions of validation and test pictures, and mark the run as finished."""
    on_rank_zero(data.write_facts, run.folder)
    on_rank_zero(run.write_json, RunFile.MODEL, asdict(model.facts()))
    mode: Mode = "min" if config.callbacks.monitor == "val/loss" else "max"
    stages = StagedTraining(model, data, config, run.folder, mode=mode).train()
    found = predicted_arrays(model, data, config)
    if found is not None:
        write(found, config, run.folder)
        best, _ = delivered(stages, config, mode)
        run.write_status("finished", best=best.best, **training_facts(stages))


def keep_results(
    file: Path, results: pd.DataFrame, title: str, words: dict[str, str], calibration: tuple[float, ...]
) -> None:
    """Keep the results of a finished run as a file in its folder and for its export; print them under a title."""
    folder = file.parent
    write_csv(file, results)
    rows = results.astype(object).where(results.notna(), None).to_dict("records")
    write_json(folder / DETECTOR_FACTS, {"calibration": calibration, "evaluation": rows})
    shown = Table.of_frame(title, results.assign(metric=results["metric"].replace(words)))
    Run(folder).checksums.add(DETECTOR_FACTS)
    with console.capture() as printed:
        console.print(terminal(shown))
        network = f"{Run(folder).recipe}={shlex.quote(str(folder))}"
        say(f"results in {folder}", f"next: python scripts/karyotype.py PICTURES {network} --output out")
    Run(folder).write_summary(printed.get(), "")
    if not in_sweep():
        print(printed.get(), end="", flush=True)

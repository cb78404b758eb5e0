"""Train and evaluate a comparison of homologues: the counterpart of workflows/train.py for pairs."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from pytorch_lightning import Callback

from common.config.schema import Config
from common.runs.address import run_facts
from common.runs.files import RunFile
from common.runs.predicted import Predicted, to_predictions
from common.runs.run import Run
from datamodules.homologues.pair_datamodule import PairDataModule
from lightning_modules.networks.row_alignment import align
from lightning_modules.pair_classifier import KINDS, PairClassifier, beside_partner, predict_pairs
from lightning_modules.stages.fit import FinishedStage, train_stages, training_facts


def fit_and_compare(
    model: PairClassifier, data: PairDataModule, config: Config, run: Run, callbacks: Sequence[Callback]
) -> None:
    """Train the stages, write predictions.parquet and pairs.parquet, and mark the run as finished."""
    data.prepare_data()
    data.write_facts(run.folder)
    run.write_json(RunFile.MODEL, asdict(model.facts()))
    if model.folded_batchnorm:
        sample = data.training_sample()
        model.restore_batchnorm(beside_partner(sample, align(sample).warped))
    stages = train_stages(model, data, config, run.folder, callbacks)
    write_results(run, config, data, predict_pairs(model, data, config), stages)


def write_results(
    run: Run, config: Config, data: PairDataModule, found: dict[str, np.ndarray], stages: Sequence[FinishedStage]
) -> None:
    """Write what was found of each validation and test pair, and mark the run as finished."""
    training = training_facts(stages)
    facts = {**run_facts(config, run.identity), **data.facts(), **training, "run": str(run.folder)}
    abnormal = 1 / (1 + np.exp(-found["score"].astype(np.float64)))
    predicted = Predicted(found["index"], np.stack([1 - abnormal, abnormal], axis=1))
    manifest = data.manifest
    frame = manifest.frame.assign(width=None, height=None)  # those of the first chromosome alone say nothing of a pair
    about = (frame, data.parts, manifest.classes, manifest.positive_class)
    predictions = to_predictions(predicted, *about, facts)
    run.write_predictions(predictions)
    event = data.items["pair"].to_numpy()[found["index"]]
    run.write_pairs(pair_table(predictions.frame, {**found, "event": event}))
    run.write_status("finished", best=stages[-1].best, **training)


def pair_table(frame: pd.DataFrame, found: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row per item: facts of the predictions, what was found, and what was done.

    Columns: ``image_id``, ``part``, ``subject``, ``cell``, ``chromosome``, ``kind``, ``size``, ``arm_change``;
    ``score`` (log-odds of being abnormal), ``prob_<kind>``, ``first_changed`` (probability), ``changed`` (0 or 1),
    ``event`` (number of the pair; a translocation and its partner have the same), ``hottest`` (token of both
    chromosomes, one after the other), ``place`` (its probability), ``hit`` (whether it is where something is changed),
    ``chance`` (the share of places where it would be), ``longer`` (which chromosome is, 0 or 1), ``start_first``,
    ``stop_first``, ``start_second`` and ``stop_second`` (changed tokens of both chromosomes).
    """
    facts = frame[["image_id", "part", "subject", "cell", "kind"]].assign(chromosome=frame["group"])
    columns = {name: values for name, values in found.items() if values.ndim == 1 and name != "index"}
    probabilities = {f"prob_{name}": found["kind"][:, number] for number, name in enumerate(KINDS)}
    return facts.assign(**columns, **probabilities)

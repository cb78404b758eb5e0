"""The validation and test pairs of a run, and a table in its form of what another way finds of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import special

from common.cli import console
from common.errors import UserError
from common.runs.run import Run
from datamodules.homologues.changes import UNTOUCHED
from datamodules.homologues.draws import PairKeys
from datamodules.homologues.pair_datamodule import PairDataModule
from datamodules.homologues.pairs import PairBatch
from datamodules.io.progress import progress_bar
from lightning_modules.pair_classifier import KINDS

BATCH = 64


@dataclass(frozen=True)
class Differences:
    """How two homologues differ, of B pairs; float32.

    Attributes:
        largest: Largest difference of a window along the axis, shape (B,).
        length: Absolute logarithm of the ratio of both lengths, shape (B,).
        hottest: Token of both chromosomes, one after the other, where the window is, int64, shape (B,).
    """

    largest: torch.Tensor
    length: torch.Tensor
    hottest: torch.Tensor


Way = Callable[[torch.Tensor], Differences]


def differences_of(way: Way, batches: Iterator[PairBatch], count: int) -> pd.DataFrame:
    """Return a row per pair: ``chromosome``, ``largest``, ``length``, ``hottest`` and ``hit``."""
    frames = []
    with torch.inference_mode(), progress_bar(count, "comparing", console.is_terminal) as advance:
        for batch in batches:
            found = way(batch.image)
            hit = batch.place.flatten(1).gather(1, found.hottest[:, None]).squeeze(1)
            columns = {"chromosome": batch.chromosome, **vars(found), "hit": hit}
            frames.append(pd.DataFrame({name: values.numpy() for name, values in columns.items()}))
            advance()
    return pd.concat(frames, ignore_index=True)


def evaluated(data: PairDataModule) -> tuple[Iterator[PairBatch], int]:
    """Return batches of the validation and test pairs, in the order of a run's table, and how many they are."""
    items = np.concatenate([data.rows("validation"), data.rows("test")])
    parts = np.array_split(items, -(-len(items) // BATCH))
    return (data.pictures(part) for part in parts), len(parts)


def normal_training_pairs(data: PairDataModule, of_each: int) -> tuple[Iterator[PairBatch], int]:
    """Return batches of training pairs as they are, at most so many of each chromosome, and how many they are."""
    pair = data.items["pair"].to_numpy()[data.rows("train")]
    classes = pd.Series(data.pairs.chromosome[pair])
    rng = np.random.default_rng(0)
    order = rng.permutation(len(pair))
    chosen = np.sort(order[classes.iloc[order].groupby(classes.iloc[order]).cumcount().to_numpy() < of_each])
    pairs = np.array_split(pair[chosen], -(-len(chosen) // BATCH))
    return (data.maker(_untouched(torch.from_numpy(some))) for some in pairs), len(pairs)


def _untouched(pair: torch.Tensor) -> PairKeys:
    same = torch.zeros_like(pair)
    return PairKeys(same, same, pair, same + UNTOUCHED)


def standardised(found: pd.DataFrame, normal: pd.DataFrame) -> np.ndarray:
    """Return scores: the largest difference and that of the lengths, in standard deviations of the chromosome, added.

    Args:
        found: What is found of the pairs, see `differences_of`.
        normal: Likewise, of normal pairs, which give mean and standard deviation of each chromosome; one without such
            pairs has those of all.
    """
    columns = ["largest", "length"]
    of_class = normal.groupby("chromosome")[columns]
    mean = of_class.mean().reindex(found["chromosome"]).fillna(normal[columns].mean())
    std = of_class.std().reindex(found["chromosome"]).fillna(normal[columns].std())
    scores = (found[columns].to_numpy() - mean.to_numpy()) / np.maximum(std.to_numpy(), 1e-6)
    return np.asarray(scores.sum(axis=1))


def write_baseline(folder: Path, name: str, run: Run, found: pd.DataFrame, score: np.ndarray) -> None:
    """Write predictions.parquet and pairs.parquet of the items of a run, in its form.

    Kind and changed chromosome, which a baseline does not tell, have equal probabilities.

    Raises:
        UserError: The items are others than those that the run has predicted.
    """
    truth = run.pairs
    assert truth is not None  # see `open_data`
    if len(truth) != len(found):
        raise UserError(f"{run.folder} predicted {len(truth):,} pairs, its data now has {len(found):,}: train it again")
    probability = special.expit(score)
    own = run.predictions
    about = {**own.about, "name": name, "run": str(folder)}
    frame = own.frame.assign(prob_normal=1 - probability, prob_abnormal=probability)
    folder.mkdir(parents=True, exist_ok=True)
    Run(folder).write_predictions(replace(own, frame=frame, about=about))
    equal = {f"prob_{kind}": 1 / len(KINDS) for kind in KINDS}
    table = truth.assign(score=score, first_changed=0.5, place=probability, **equal)
    Run(folder).write_pairs(table.assign(hottest=found["hottest"].to_numpy(), hit=found["hit"].to_numpy()))

"""The validation and test pairs of a run, and a table in its form of what another way finds of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
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
    """How two homologues differ, of B pairs.

    Attributes:
        numbers: What describes the pair, float32, shape (B, K).
        hottest: Token of both chromosomes, one after the other, where they differ most, int64, shape (B,).
    """

    numbers: torch.Tensor
    hottest: torch.Tensor


@dataclass(frozen=True)
class Described:
    """What a baseline finds of N pairs.

    Attributes:
        numbers: See `Differences`, float64, shape (N, K).
        chromosome: Class of each pair, index into CHROMOSOMES, int64, shape (N,).
        hottest: See `Differences`, shape (N,).
        hit: 1 where the hottest token is changed, shape (N,).
    """

    numbers: np.ndarray
    chromosome: np.ndarray
    hottest: np.ndarray
    hit: np.ndarray


def describe(compare: Callable[[torch.Tensor], Differences], batches: Iterator[PairBatch], count: int) -> Described:
    """Compare the pairs of some batches.

    Args:
        compare: Compares images of pairs, float32 in [0, 1], shape (B, 2, H, W).
        batches: Of pairs.
        count: How many batches there are.
    """
    rows = []
    with torch.inference_mode(), progress_bar(count, "comparing", console.is_terminal) as advance:
        for batch in batches:
            found = compare(batch.image)
            hit = batch.place.flatten(1).gather(1, found.hottest[:, None]).squeeze(1)
            rows.append((found.numbers.double(), batch.chromosome, found.hottest, hit))
            advance()
    return Described(*(torch.cat(column).numpy() for column in zip(*rows, strict=True)))


def evaluated_items(data: PairDataModule) -> np.ndarray:
    """Return the validation and test items in the order of a run's table, int64."""
    return np.concatenate([data.rows("validation"), data.rows("test")])


def evaluated(data: PairDataModule) -> tuple[Iterator[PairBatch], int]:
    """Return batches of the validation and test pairs, and how many they are."""
    parts = _in_batches(evaluated_items(data))
    return (data.pictures(part) for part in parts), len(parts)


def normal_training_pairs(data: PairDataModule) -> tuple[Iterator[PairBatch], int]:
    """Return batches of the training pairs as they are, and how many they are."""
    parts = _in_batches(data.items["pair"].to_numpy()[data.rows("train")])
    return (data.maker(_untouched(torch.from_numpy(part))) for part in parts), len(parts)


def _in_batches(numbers: np.ndarray) -> list[np.ndarray]:
    return np.array_split(numbers, -(-len(numbers) // BATCH))


def _untouched(pair: torch.Tensor) -> PairKeys:
    same = torch.zeros_like(pair)
    return PairKeys(same, same, pair, same + UNTOUCHED)


def check_items(run: Run, data: PairDataModule) -> None:
    """Check that the items of a run are those of its data.

    Raises:
        UserError: They are others, or in another order.
    """
    truth = run.pairs
    assert truth is not None  # see `open_data`
    names = data.manifest.frame["image_id"].to_numpy()[evaluated_items(data)]
    if truth["image_id"].tolist() != names.tolist():
        raise UserError(f"the pairs that {run.folder} has predicted are not those of its data now: train it again")


def write_baseline(folder: Path, name: str, run: Run, found: Described, score: np.ndarray) -> None:
    """Write predictions.parquet and pairs.parquet of the items of a run, in its form.

    Kind and changed chromosome, which a baseline does not tell, have equal probabilities.

    Args:
        folder: New.
        name: Of the baseline.
        run: Whose items these are, see `check_items`.
        found: What is found of them.
        score: The higher, the more abnormal, shape (N,).
    """
    truth = run.pairs
    assert truth is not None  # see `open_data`
    probability = special.expit(score)
    own = run.predictions
    about = {**own.about, "name": name, "run": str(folder)}
    frame = own.frame.assign(prob_normal=1 - probability, prob_abnormal=probability)
    folder.mkdir(parents=True, exist_ok=True)
    Run(folder).write_predictions(replace(own, frame=frame, about=about))
    equal = {f"prob_{kind}": 1 / len(KINDS) for kind in KINDS}
    table = truth.assign(score=score, first_changed=0.5, place=probability, **equal)
    Run(folder).write_pairs(table.assign(hottest=found.hottest, hit=found.hit))

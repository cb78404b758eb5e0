"""Recompute what persons are worth from the kept scores: ``python -m reproduction.persons.results``.

It reads ``results/evidence/persons`` (see `reproduction.persons.experiments`) and writes to ``results/recomputed``:

- ``persons.csv``: each regression on persons that it does not know, by leaving one person out
- ``persons_leak.csv``: its AUC where the persons of the test, or the very images, train or not
- ``persons_curve.csv``: its AUC by the number of training persons, and what 100 and 300 would give

The AUC is that of pairs of a leukaemic and a normal cell, which are of two persons each. So they are counted once, for
every two persons, and all intervals are over drawn persons (and over draws and seeds, where there are some).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

from karyocyte.common.cli import say
from karyocyte.common.files import write_csv
from reproduction.claims import RESULTS
from reproduction.persons.experiments import ARMS, DRAWS, FOLDER, PERSON_DRAWS, PERSONS, SEEDS

RESAMPLES = 1000
CURVE_RESAMPLES = 200
CONFIDENCE = 0.95
SENSITIVITY = 0.95  # of the threshold that the specificity is given for
FURTHER = (100, 300)  # persons that the curve is continued to
DIGITS = "%.6f"


@dataclass(frozen=True)
class Images:
    """The images of the scores, in their order: image_id, label, subject and their fold in each draw."""

    frame: pd.DataFrame

    @cached_property
    def rows(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The rows of each patient, and of each healthy person."""
        found: dict[str, list[np.ndarray]] = {"all": [], "hem": []}
        for _, of_person in self.frame.groupby("subject"):
            found[of_person["label"].iloc[0]].append(of_person.index.to_numpy())
        return found["all"], found["hem"]

    def pairs(self, scores: np.ndarray, folds: np.ndarray | None = None) -> np.ndarray:
        """Count the pairs of cells of every patient and healthy person: those in order, and all.

        A pair of equal scores counts half. With ``folds`` only pairs of one fold count, since each fold has its own
        regression.

        Returns:
            float64, shape (2, patients, healthy persons).
        """
        patients, healthy = self.rows
        counted = np.zeros((2, len(patients), len(healthy)))
        for column, normal in enumerate(healthy):
            ordered = np.sort(scores[normal][~np.isnan(scores[normal])])
            for row, leukaemic in enumerate(patients):
                if folds is not None and folds[normal[0]] != folds[leukaemic[0]]:
                    continue
                found = scores[leukaemic][~np.isnan(scores[leukaemic])]
                below = np.searchsorted(ordered, found, "left") + np.searchsorted(ordered, found, "right")
                counted[:, row, column] = below.sum() / 2, len(found) * len(ordered)
        return counted


def auc(pairs: np.ndarray) -> np.ndarray:
    """Return the AUC of counted pairs, shape (..., 2, patients, healthy persons), as the share of those in order."""
    in_order, count = np.moveaxis(pairs.sum(axis=(-2, -1)), -1, 0)
    return np.asarray(in_order / count)


def resampled(pairs: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return counted pairs of persons drawn with replacement."""
    patients, healthy = pairs.shape[-2:]
    of_patients = pairs[..., random.integers(patients, size=patients), :]
    return np.asarray(of_patients[..., random.integers(healthy, size=healthy)])


def columns(name: str, value: float, values: np.ndarray) -> dict[str, float]:
    """Return a value with its interval, by percentiles of resampled values."""
    low, high = np.nanquantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def row_of_persons(images: Images, scores: np.ndarray) -> dict[str, float]:
    """Return how a regression ranks cells and persons that it does not know, with the standard error over persons."""
    pairs = images.pairs(scores)
    random = np.random.default_rng(0)
    values = np.array([auc(resampled(pairs, random)) for _ in range(RESAMPLES)])
    means = [np.array([scores[rows].mean() for rows in group]) for group in images.rows]
    of_persons = (means[0][:, None] > means[1]).astype(float)
    drawn = [float(resampled(of_persons, random).mean()) for _ in range(RESAMPLES)]
    leukaemic = (images.frame["label"] == "all").to_numpy()
    threshold = np.quantile(scores[leukaemic], 1 - SENSITIVITY)
    by_person = np.array([(scores[rows] < threshold).mean() for rows in images.rows[1]])
    sizes = np.array([len(rows) for rows in images.rows[1]])
    chosen = random.integers(len(sizes), size=(RESAMPLES, len(sizes)))
    specificities = (by_person * sizes)[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)
    row = columns("auc", float(auc(pairs)), values) | {"auc_error": float(values.std())}
    row |= columns("person_auc", float(of_persons.mean()), np.array(drawn))
    return row | columns("specificity", float((by_person * sizes).sum() / sizes.sum()), specificities)


def row_of_leak(images: Images, scores: pd.DataFrame) -> dict[str, float]:
    """Return the AUC of each arm, and what shared persons and identical images add to it.

    A resample draws the persons, the divisions into folds and the seeds.
    """
    pairs = np.array(
        [
            [[_pairs_of_fold(images, scores, arm, draw, seed) for arm in ARMS] for seed in range(SEEDS)]
            for draw in range(DRAWS)
        ]
    )
    random = np.random.default_rng(0)
    values = auc(pairs).mean(axis=(0, 1))
    drawn = []
    for _ in range(RESAMPLES):
        chosen = resampled(pairs, random)[random.integers(DRAWS, size=DRAWS)]
        drawn.append(auc(chosen[:, random.integers(SEEDS, size=SEEDS)]).mean(axis=(0, 1)))
    of_resamples = np.array(drawn)
    row: dict[str, float] = {}
    for place, arm in enumerate(ARMS):
        row |= columns(arm, values[place], of_resamples[:, place])
    for place, name in enumerate(("persons", "identical")):
        row |= columns(
            f"{name}_add", values[place + 1] - values[place], of_resamples[:, place + 1] - of_resamples[:, place]
        )
    return row


def _pairs_of_fold(images: Images, scores: pd.DataFrame, arm: str, draw: int, seed: int) -> np.ndarray:
    folds = images.frame[f"fold {draw}"].to_numpy()
    return images.pairs(scores[f"{arm} {draw} {seed}"].to_numpy(np.float64), folds)


def rows_of_curve(images: Images, scores: pd.DataFrame) -> list[dict[str, float]]:
    """Return the mean AUC of each number of training persons and its spread, and what more persons would give."""
    drawn = {
        count: np.array(
            [auc(images.pairs(scores[f"persons {count} {draw}"].to_numpy(float))) for draw in range(PERSON_DRAWS)]
        )
        for count in PERSONS
    }
    drawn[len(images.frame["subject"].unique()) - 1] = np.array(
        [auc(images.pairs(scores["leave_one_out"].to_numpy(float)))]
    )
    rows = [
        {
            "persons": count,
            "draws": len(values),
            "auc": values.mean(),
            "auc_low": values.min(),
            "auc_high": values.max(),
        }
        for count, values in drawn.items()
    ]
    random = np.random.default_rng(0)
    again = [
        _continued({count: random.choice(values, len(values)) for count, values in drawn.items()})
        for _ in range(CURVE_RESAMPLES)
    ]
    for place, count in enumerate(FURTHER):
        found = columns("auc", _continued(drawn)[place], np.array(again)[:, place])
        rows.append({"persons": count, "draws": 0, **found})
    return rows


def _continued(drawn: dict[int, np.ndarray]) -> np.ndarray:
    """Fit ``limit - loss * persons ** -rate`` to the AUC of all draws; return it for further persons."""
    persons = np.repeat(list(drawn), [len(values) for values in drawn.values()])
    values = np.concatenate(list(drawn.values()))

    def curve(persons: np.ndarray, limit: float, loss: float, rate: float) -> np.ndarray:
        return np.asarray(limit - loss * persons**-rate)

    fitted, _ = curve_fit(curve, persons.astype(float), values, (0.9, 1.0, 1.0), bounds=([0.5, 0, 0.1], [1, 10, 3]))
    return curve(np.array(FURTHER, float), *fitted)


def write_all() -> None:
    """Write all tables from the kept scores."""
    images = Images(pd.read_parquet(FOLDER / "images.parquet"))
    tables: dict[str, list[pd.DataFrame]] = {"persons": [], "persons_leak": [], "persons_curve": []}
    for path in sorted(FOLDER.glob("*.parquet")):
        if path.stem == "images":
            continue
        scores = pd.read_parquet(path)
        alone = row_of_persons(images, scores["leave_one_out"].to_numpy(np.float64))
        for table, rows in zip(
            tables.values(), ([alone], [row_of_leak(images, scores)], rows_of_curve(images, scores)), strict=True
        ):
            table.append(pd.DataFrame(rows).assign(model=path.stem))
        say(path.stem)
    for file, parts in tables.items():
        write_csv(RESULTS / "recomputed" / f"{file}.csv", pd.concat(parts, ignore_index=True), DIGITS)


if __name__ == "__main__":
    write_all()

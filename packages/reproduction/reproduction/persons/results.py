"""Recompute what persons are worth from the kept scores: ``python -m reproduction.persons.results``.

``results/evidence/persons`` holds the scores (log-odds of leukaemia, float16) of each image by logistic regressions on
other images, which revision 698a9ffa computed (``reproduction.persons.features`` and ``.experiments``):

- ``leave_one_out``: of all other persons
- ``persons <n> <draw>``: of n persons drawn at random, a quarter of them healthy
- ``<arm> <draw> <seed>``: what a leak is worth. The persons are divided into four folds with equal shares of both
  classes; half of the images of each person of a fold, drawn by the seed, test. For each fold three regressions train
  on equal numbers of images of each class and of persons, up to one patient. Two thirds of the persons are the same;
  half of the images of further persons are added: of others (arm ``apart``), of the persons of the fold by their other
  images (``shared``), or the very images that test (``copies``).

These regressions were computed when it was not known yet that some of the subjects are one person. So only images of
subjects that are persons of their own are evaluated (`persons_of_their_own`): none of these trains under another
name.

Written to ``results/recomputed`` are:

- ``persons.csv``: each regression on persons that it does not know, by leaving one person out
- ``persons_leak.csv``: its AUC where the persons of the test, or the very images, train or not
- ``persons_curve.csv``: the AUC of the area and of two networks by the number of training persons, and what 100 and 300
  would give

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
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.persons.linked import persons_of_subjects

FOLDER = RESULTS / EVIDENCE / "persons"
ARMS = ("apart", "shared", "copies")
DRAWS, SEEDS = 3, 3
PERSONS, PERSON_DRAWS = (5, 10, 20, 30), 10
TRAINED_ALL = 41  # subjects that trained where one was left out
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
        of_classes = (self.frame[self.frame["label"] == label].groupby("subject") for label in ("all", "hem"))
        patients, healthy = ([person.index.to_numpy() for _, person in persons] for persons in of_classes)
        return patients, healthy

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


def persons_of_their_own(images: pd.DataFrame) -> np.ndarray:
    """Return which images, with ``image_id`` and ``subject``, are of subjects that show no cell of another: bool."""
    return np.asarray(~images["subject"].isin(persons_of_subjects(images)), bool)


def auc(pairs: np.ndarray) -> np.ndarray:
    """Return the AUC of counted pairs, shape (..., 2, patients, healthy persons), as the share of those in order."""
    in_order, count = np.moveaxis(pairs.sum(axis=(-2, -1)), -1, 0)
    with np.errstate(invalid="ignore"):  # a resample may leave no pair
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


def row_of_persons(images: Images, scores: np.ndarray, area: np.ndarray) -> dict[str, float]:
    """Return how a regression ranks cells and persons that it does not know, also beside that of the area alone."""
    random = np.random.default_rng(0)
    pairs = np.array([images.pairs(scores), images.pairs(area)])
    of_both = np.array([auc(resampled(pairs, random)) for _ in range(RESAMPLES)])
    patients, healthy = (np.array([scores[rows].mean() for rows in group]) for group in images.rows)
    in_order = (patients[:, None] > healthy).astype(float)
    of_persons = np.array([resampled(in_order, random).mean() for _ in range(RESAMPLES)])
    value, of_area = auc(pairs)
    row = columns("auc", value, of_both[:, 0]) | {"auc_error": float(of_both[:, 0].std())}
    row |= columns("over_area", value - of_area, of_both[:, 0] - of_both[:, 1])
    row |= columns("person_auc", float(in_order.mean()), of_persons)
    # At the threshold that finds SENSITIVITY of the leukaemic cells.
    below = scores < np.quantile(scores[np.concatenate(images.rows[0])], 1 - SENSITIVITY)
    return row | pooled("specificity", below, images.rows[1], random)


def pooled(name: str, values: np.ndarray, persons: list[np.ndarray], random: np.random.Generator) -> dict[str, float]:
    """Return the mean of all images of some persons, with its interval over drawn persons; of one there is none."""
    sums, images = (np.array([count(values[rows]) for rows in persons]) for count in (np.sum, len))
    drawn = random.integers(len(persons), size=(RESAMPLES, len(persons)))
    if len(persons) == 1:
        return {name: sums[0] / images[0], f"{name}_low": np.nan, f"{name}_high": np.nan}
    return columns(name, sums.sum() / images.sum(), sums[drawn].sum(axis=1) / images[drawn].sum(axis=1))


def row_of_leak(images: Images, scores: pd.DataFrame, area: pd.DataFrame) -> dict[str, float]:
    """Return the AUC of each arm, what shared persons and identical images add to it, and how far it is above the area.

    A resample draws the persons, the divisions into folds and the seeds.
    """
    pairs = np.array([_pairs_of_arms(images, scores, area, draw) for draw in range(DRAWS)])
    random = np.random.default_rng(0)
    values = auc(pairs).mean(axis=(0, 1))
    drawn = []
    for _ in range(RESAMPLES):
        chosen = resampled(pairs, random)[random.integers(DRAWS, size=DRAWS)]
        drawn.append(auc(chosen[:, random.integers(SEEDS, size=SEEDS)]).mean(axis=(0, 1)))
    of_resamples = np.array(drawn)
    row: dict[str, float] = {}
    for place, arm in enumerate(ARMS, 1):
        row |= columns(arm, values[place], of_resamples[:, place])
    added, of_added = np.diff(values), np.diff(of_resamples)
    for place, name in enumerate(("over_area", "persons_add", "identical_add")):
        row |= columns(name, added[place], of_added[:, place])
    return row


def _pairs_of_arms(images: Images, scores: pd.DataFrame, area: pd.DataFrame, draw: int) -> list[list[np.ndarray]]:
    """Count the pairs of a division into folds, by seed: of the area with other persons, and of each arm."""
    folds = images.frame[f"fold {draw}"].to_numpy()
    counted = []
    for seed in range(SEEDS):
        columns_of_arms = [area[f"{ARMS[0]} {draw} {seed}"], *(scores[f"{arm} {draw} {seed}"] for arm in ARMS)]
        counted.append([images.pairs(column.to_numpy(float), folds) for column in columns_of_arms])
    return counted


def rows_of_curve(images: Images, scores: pd.DataFrame) -> list[dict[str, float]]:
    """Return the mean AUC of each number of training persons with its range, and what more persons would give.

    A resample draws the persons and the draws of training persons.
    """
    names = {count: [f"persons {count} {draw}" for draw in range(PERSON_DRAWS)] for count in PERSONS}
    names[TRAINED_ALL] = ["leave_one_out"]
    persons = np.repeat(list(names), [len(each) for each in names.values()])
    pairs = np.array([images.pairs(scores[name].to_numpy(float)) for each in names.values() for name in each])
    values = auc(pairs)
    rows: list[dict[str, float]] = []
    for count in names:
        of_count = values[persons == count]
        spread = {"auc": of_count.mean(), "auc_low": of_count.min(), "auc_high": of_count.max()}
        rows.append({"persons": count, "draws": len(of_count), **spread})
    random = np.random.default_rng(0)
    again = []
    for _ in range(CURVE_RESAMPLES):
        chosen = np.concatenate([random.choice(np.flatnonzero(persons == count), len(names[count])) for count in names])
        again.append(_continued(persons[chosen], auc(resampled(pairs, random))[chosen]))
    for count, value, found in zip(FURTHER, _continued(persons, values), np.array(again).T, strict=True):
        rows.append({"persons": count, "draws": 0, **columns("auc", value, found)})
    return rows


def _continued(persons: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Fit ``limit - loss * persons ** -rate`` to the AUC of all draws; return it for further persons."""

    def curve(persons: np.ndarray, limit: float, loss: float, rate: float) -> np.ndarray:
        return np.asarray(limit - loss * persons**-rate)

    known = np.isfinite(values)  # a draw may leave no pair of two persons to a resample
    start, bounds = (0.9, 1.0, 1.0), ([0.5, 0, 0.1], [1, 10, 3])
    fitted, _ = curve_fit(curve, persons[known].astype(float), values[known], start, bounds=bounds)
    return curve(np.array(FURTHER, float), *fitted)


def write_all() -> None:
    """Write all tables from the kept scores."""
    frame = pd.read_parquet(FOLDER / "images.parquet")
    own = persons_of_their_own(frame)
    images = Images(frame[own].reset_index(drop=True))
    area = pd.read_parquet(FOLDER / "area.parquet")[own].reset_index(drop=True)
    tables: dict[str, list[pd.DataFrame]] = {"persons": [], "persons_leak": [], "persons_curve": []}
    for path in sorted({*FOLDER.glob("*.parquet")} - {FOLDER / "images.parquet"}):
        scores = pd.read_parquet(path)[own].reset_index(drop=True)
        alone = row_of_persons(images, *(table["leave_one_out"].to_numpy(float) for table in (scores, area)))
        curve = rows_of_curve(images, scores) if f"persons {PERSONS[0]} 0" in scores else []
        found = [alone], [row_of_leak(images, scores, area)], curve
        for table, rows in zip(tables.values(), found, strict=True):
            if rows:
                table.append(pd.DataFrame(rows).assign(model=path.stem))
        say(path.stem)
    for file, parts in tables.items():
        write_csv(RESULTS / "recomputed" / f"{file}.csv", pd.concat(parts, ignore_index=True), DIGITS)


if __name__ == "__main__":
    write_all()

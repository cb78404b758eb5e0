"""Recompute what persons are worth from the kept scores: ``python -m reproduction.persons.results``.

``results/evidence/persons`` holds the scores (log-odds of leukaemia, float16) of each cell by logistic regressions on
other cells, which revision f717805a computed (``reproduction.persons.experiments``), of 35 persons, with one picture of
each cell:

- ``leave_one_out``: of all other persons
- ``persons <n> <draw>``: of n persons drawn at random, about a quarter of them healthy
- ``<arm> <draw> <seed>``: what a leak is worth. The persons are divided into four folds with equal shares of both
  classes. For each fold three regressions train on the persons of two other folds, and on equal numbers of cells of
  each class, drawn from halves of the cells: of the persons of the last fold (arm ``apart``), of those of the fold
  (``shared``), or the very cells that test (``copies``), drawn from their other halves.

Written to ``results/recomputed`` are:

- ``persons.csv``: each regression on persons that it does not know, by leaving one person out
- ``persons_leak.csv``: its AUC where the persons of the test, or the very cells, train or not
- ``persons_curve.csv``: the AUC of the area and of two networks by the number of training persons

The AUC is that of pairs of a leukaemic and a normal cell, which are of two persons each. So they are counted once, for
every two persons, and all intervals are over drawn persons (and over draws and seeds, where there are some).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from karyocyte.common.cli import say
from karyocyte.common.files import write_csv
from karyocyte.evaluation.intervals.methods import percentiles
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.types.result import Estimate
from reproduction.claims import EVIDENCE, RESULTS

FOLDER = RESULTS / EVIDENCE / "persons"
ARMS = ("apart", "shared", "copies")
DRAWS, SEEDS = 3, 3
PERSONS, PERSON_DRAWS = (5, 10, 20), 10
TRAINED_ALL = 34  # persons that train where one is left out
RESAMPLES = 1000
CONFIDENCE = 0.95
SENSITIVITY = 0.95  # of the threshold that the specificity is given for
DIGITS = "%.6f"
Row = dict[str, float | None]  # of a table: values with the ends of their intervals


@dataclass(frozen=True)
class Images:
    """The images of the scores, in their order: image_id, label ("all" or "hem"), subject, and perhaps folds."""

    frame: pd.DataFrame

    @cached_property
    def rows(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The rows of each patient, and of each healthy person."""
        of_classes = (self.frame[self.frame["label"] == label].groupby("subject") for label in ("all", "hem"))
        patients, healthy = ([person.index.to_numpy() for _, person in persons] for persons in of_classes)
        return patients, healthy

    @cached_property
    def persons(self) -> np.ndarray:
        """The number of each image's person: the patients first, then the healthy persons."""
        numbers = np.zeros(len(self.frame), np.int64)
        for number, rows in enumerate([*self.rows[0], *self.rows[1]]):
            numbers[rows] = number
        return numbers

    def means(self, scores: np.ndarray) -> tuple["Images", np.ndarray]:
        """Return the persons as images of their own, each with the mean of its scores."""
        firsts = self.frame.iloc[[rows[0] for rows in [*self.rows[0], *self.rows[1]]]]
        means = np.array([scores[rows].mean() for rows in [*self.rows[0], *self.rows[1]]])
        return Images(firsts.reset_index(drop=True)), means

    def pairs(self, scores: np.ndarray, folds: np.ndarray | None = None) -> np.ndarray:
        """Count the pairs of cells of every patient and healthy person: those in order, and all.

        A pair of equal scores counts half. Images whose score is NaN are left out. With ``folds`` only pairs of one
        fold count, since each fold has its own regression.

        Returns:
            float64, shape (2, patients, healthy persons).
        """
        patients, healthy = map(len, self.rows)
        scored = ~np.isnan(scores)
        cells = np.bincount(self.persons[scored], minlength=patients + healthy)
        counted = np.outer(cells[:patients], cells[patients:]).astype(float)
        if folds is not None:
            of_patients, of_healthy = ([folds[rows[0]] for rows in persons] for persons in self.rows)
            counted[np.not_equal.outer(of_patients, of_healthy)] = 0
        patient, other = np.nonzero(counted)
        in_order = np.zeros_like(counted)
        in_order[patient, other] = self._aucs(scores, scored, patient, patients + other) * counted[patient, other]
        return np.stack([in_order, counted])

    def _aucs(self, scores: np.ndarray, scored: np.ndarray, patient: np.ndarray, healthy: np.ndarray) -> np.ndarray:
        """Return the AUC of pairs of persons, by their numbers: each pair is a weighting of all persons."""
        is_patient = (self.frame["label"] == "all").to_numpy(np.int64)
        both = np.stack([-scores, scores], axis=1)
        labelled = LabelledPredictions(is_patient, both, ("hem", "all"), 1, self.persons)
        weights = np.zeros((len(patient), labelled.cluster_count))
        weights[np.arange(len(patient)), patient] = weights[np.arange(len(patient)), healthy] = 1
        return np.asarray(WeightedMetrics(labelled, names=("auc",), rows=scored)(weights)[0])


def auc(pairs: np.ndarray) -> np.ndarray:
    """Return the AUC of counted pairs, shape (..., 2, patients, healthy persons), as the share of those in order."""
    in_order, count = np.moveaxis(pairs.sum(axis=(-2, -1)), -1, 0)
    with np.errstate(invalid="ignore"):  # a resample may leave no pair
        return np.asarray(in_order / count)


def resampled(pairs: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return counted pairs of persons drawn with replacement, as many patients and healthy persons as there are."""
    patients, healthy = pairs.shape[-2:]
    of_patients = pairs[..., random.integers(patients, size=patients), :]
    return np.asarray(of_patients[..., random.integers(healthy, size=healthy)])


def columns(name: str, value: float, drawn: np.ndarray) -> Row:
    """Return a value with its interval, by percentiles of its resamples."""
    low, high, _ = percentiles(drawn, CONFIDENCE)
    return Estimate(value, low, high).columns(name)


def row_of_persons(images: Images, scores: np.ndarray, area: np.ndarray) -> Row:
    """Return how a regression ranks cells and persons that it does not know, also beside that of the area alone."""
    random = np.random.default_rng(0)
    pairs = np.array([images.pairs(scores), images.pairs(area)])
    drawn, drawn_area = np.transpose([auc(resampled(pairs, random)) for _ in range(RESAMPLES)])
    of_persons, means = images.means(scores)
    pairs_of_persons = of_persons.pairs(means)
    drawn_persons = np.array([auc(resampled(pairs_of_persons, random)) for _ in range(RESAMPLES)])
    value, value_of_area = auc(pairs)
    row = columns("auc", value, drawn)
    row |= columns("over_area", value - value_of_area, drawn - drawn_area)
    row |= columns("person_auc", float(auc(pairs_of_persons)), drawn_persons)
    # At the threshold that finds SENSITIVITY of the leukaemic cells.
    below = scores < np.quantile(scores[np.concatenate(images.rows[0])], 1 - SENSITIVITY)
    return row | share_of_images("specificity", below, images.rows[1], random)


def share_of_images(name: str, is_so: np.ndarray, persons: Sequence[np.ndarray], random: np.random.Generator) -> Row:
    """Return the share of the images of some persons, with its interval over drawn persons; one person has none."""
    hits = np.array([is_so[rows].sum() for rows in persons])
    images = np.array([len(rows) for rows in persons])
    drawn = random.integers(len(persons), size=(RESAMPLES, len(persons)))
    shares = hits[drawn].sum(axis=1) / images[drawn].sum(axis=1)
    return columns(name, hits.sum() / images.sum(), shares if len(persons) > 1 else shares[:0])


def row_of_leak(images: Images, scores: pd.DataFrame, area: pd.DataFrame) -> Row:
    """Return the AUC of each arm, what shared persons and identical images add to it, and how far it is above the area.

    A resample draws the persons, the divisions into folds and the seeds.
    """
    pairs = np.array([_pairs_of_arms(images, scores, area, draw) for draw in range(DRAWS)])
    random = np.random.default_rng(0)
    resamples = []
    for _ in range(RESAMPLES):
        chosen = resampled(pairs, random)[random.integers(DRAWS, size=DRAWS)]
        resamples.append(auc(chosen[:, random.integers(SEEDS, size=SEEDS)]).mean(axis=(0, 1)))
    values, drawn = auc(pairs).mean(axis=(0, 1)), np.transpose(resamples)
    row: Row = {}
    for place, arm in enumerate(ARMS, 1):
        row |= columns(arm, values[place], drawn[place])
    for place, name in enumerate(("over_area", "persons_add", "identical_add")):  # each arm above what stands before it
        row |= columns(name, values[place + 1] - values[place], drawn[place + 1] - drawn[place])
    return row


def _pairs_of_arms(images: Images, scores: pd.DataFrame, area: pd.DataFrame, draw: int) -> list[list[np.ndarray]]:
    """Count the pairs of a division into folds, by seed: of the area with other persons, and of each arm."""
    folds = images.frame[f"fold {draw}"].to_numpy()
    counted = []
    for seed in range(SEEDS):
        columns_of_arms = [area[f"{ARMS[0]} {draw} {seed}"], *(scores[f"{arm} {draw} {seed}"] for arm in ARMS)]
        counted.append([images.pairs(column.to_numpy(float), folds) for column in columns_of_arms])
    return counted


def rows_of_curve(images: Images, scores: pd.DataFrame) -> list[Row]:
    """Return the mean AUC of each number of training persons with its range over the draws of these persons."""
    draws = {count: [f"persons {count} {draw}" for draw in range(PERSON_DRAWS)] for count in PERSONS}
    rows: list[Row] = []
    for count, names in (*draws.items(), (TRAINED_ALL, ["leave_one_out"])):
        found = auc(np.array([images.pairs(scores[name].to_numpy(float)) for name in names]))
        spread = Estimate(found.mean(), found.min(), found.max())
        rows.append({"persons": count, "draws": len(found), **spread.columns("auc")})
    return rows


def write_all() -> None:
    """Write all tables from the kept scores."""
    images = Images(pd.read_parquet(FOLDER / "images.parquet"))
    area = pd.read_parquet(FOLDER / "area.parquet")
    alone: list[dict[str, object]] = []
    leaks: list[dict[str, object]] = []
    curves: list[dict[str, object]] = []
    for path in sorted({*FOLDER.glob("*.parquet")} - {FOLDER / "images.parquet"}):
        scores = pd.read_parquet(path)
        left_out, left_out_area = (table["leave_one_out"].to_numpy(float) for table in (scores, area))
        alone.append({**row_of_persons(images, left_out, left_out_area), "model": path.stem})
        leaks.append({**row_of_leak(images, scores, area), "model": path.stem})
        if f"persons {PERSONS[0]} 0" in scores:
            curves += [{**row, "model": path.stem} for row in rows_of_curve(images, scores)]
        say(path.stem)
    for name, rows in (("persons", alone), ("persons_leak", leaks), ("persons_curve", curves)):
        write_csv(RESULTS / "recomputed" / f"{name}.csv", pd.DataFrame(rows), DIGITS)


if __name__ == "__main__":
    write_all()

"""What persons are worth on C-NMC: logistic regressions on frozen features and on the numbers of the pictures.

``python -m reproduction.persons.experiments FEATURES`` reads the files of `reproduction.persons.features` and keeps, in
``results/evidence/persons``, the score (log-odds of leukaemia, float16) of each image by each regression on other
images:

- ``leave_one_out``: of all other persons
- ``persons <n> <draw>``: of n persons drawn at random, a quarter of them healthy
- ``<arm> <draw> <seed>``: what a leak is worth. The persons are divided into four folds with equal shares of both
  classes; half of the images of each person of a fold, drawn by the seed, test. For each fold three regressions train
  on equal numbers of images of each class and of persons, up to one patient. Two thirds of the persons are the same;
  half of the images of further persons are added: of others (arm ``apart``), of the persons of the fold by their other
  images (``shared``), or the very images that test (``copies``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.manifest.numbers import NUMBERS
from karyocyte.common.cli import report_user_errors, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path
from karyocyte.common.revision import revision
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.evidence.keep import DIGITS
from reproduction.persons.features import FEATURE

FOLDER = RESULTS / EVIDENCE / "persons"
ARMS = ("apart", "shared", "copies")
FOLDS, DRAWS, SEEDS = 4, 3, 3
PERSONS, PERSON_DRAWS = (5, 10, 20, 30), 10
HEALTHY = 0.25  # of the drawn training persons: 1, 2, 5 and 8
REGULARISATION = 1e-2  # C of the regression, chosen of 1e-5 to 1e-1 within draws of 20 training persons


@dataclass(frozen=True)
class Images:
    """N images: image_id, label and subject of each, and what a regression sees of them, float32, shape (N, values)."""

    frame: pd.DataFrame
    values: np.ndarray

    @cached_property
    def positive(self) -> np.ndarray:
        """Whether each image is of a leukaemic cell, bool."""
        return np.asarray(self.frame["label"] == "all", bool)

    @cached_property
    def persons(self) -> pd.Series:
        """The label of each person by name."""
        return self.frame.groupby("subject")["label"].first()

    def of(self, persons: np.ndarray) -> np.ndarray:
        """Return which images are of some persons, bool."""
        return np.asarray(self.frame["subject"].isin(persons), bool)

    def scores(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return the scores of all images, NaN but for those that test."""
        scores = np.full(len(self.frame), np.nan)
        scores[test] = fitted(self.values[train], self.positive[train]).decision_function(self.values[test])
        return scores


def fitted(values: np.ndarray, positive: np.ndarray) -> Pipeline:
    """Return a regression that was trained on the values of images; both classes weigh equally."""
    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), regression).fit(values, positive)


def leave_one_out(images: Images) -> np.ndarray:
    """Return the score of each image by all other persons."""
    scores = []
    for person in images.persons.index:
        tested = images.of(np.array([person]))
        scores.append(images.scores(~tested, tested))
    return _joined(scores)


def drawn_persons(images: Images, count: int, draw: int) -> np.ndarray:
    """Return the scores of all persons but ``count`` drawn ones, which train."""
    healthy = max(1, round(HEALTHY * count))
    shuffled = images.persons.sample(frac=1, random_state=draw)
    chosen = [*shuffled.index[shuffled == "hem"][:healthy], *shuffled.index[shuffled == "all"][: count - healthy]]
    train = images.of(np.array(chosen))
    return images.scores(train, ~train)


def folds_of(images: Images, draw: int) -> pd.Series:
    """Return the fold of each person, 0 to 3, with equal shares of both classes."""
    shuffled = images.persons.sample(frac=1, random_state=draw)
    return shuffled.groupby(shuffled).cumcount() % FOLDS


def leak(images: Images, draw: int, seed: int) -> dict[str, np.ndarray]:
    """Return the scores of the images that test, by arm."""
    folds = folds_of(images, draw)
    found: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
    for fold in range(FOLDS):
        test, training = divide(images, folds, fold, np.random.default_rng([draw, seed, fold]))
        for arm, train in training.items():
            found[arm].append(images.scores(train, test))
    return {arm: _joined(scores) for arm, scores in found.items()}


def divide(
    images: Images, folds: pd.Series, fold: int, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the rows of the images that test a fold, and of those that train by arm, the rows of all arms first.

    The persons of the next fold are the other persons, who train in place of those of this one.
    """
    fold_of_image = images.frame["subject"].map(folds).to_numpy()
    other = (fold + 1) % FOLDS
    halves = _half(images.frame["subject"], random)
    tested = (fold_of_image == fold) & halves
    candidates = (tested, (fold_of_image == other) & halves, (fold_of_image == fold) & ~halves)
    drawn: list[list[np.ndarray]] = []
    for label in (True, False):
        rows = [np.flatnonzero(rows & (images.positive == label)) for rows in candidates]
        count = min(map(len, rows))
        drawn.append([random.choice(each, count, replace=False) for each in rows])
    test, apart, shared = map(np.concatenate, zip(*drawn, strict=True))
    common = np.flatnonzero(~np.isin(fold_of_image, (fold, other)))
    return test, {arm: np.concatenate([common, rows]) for arm, rows in zip(ARMS, (apart, shared, test), strict=True)}


def _half(persons: pd.Series, random: np.random.Generator) -> np.ndarray:
    """Draw half of the images of each person, bool."""
    order = pd.Series(random.permutation(len(persons)), persons.index)
    ranks = order.groupby(persons).rank().to_numpy(np.int64)
    return np.asarray(ranks % 2 == 1)


def _joined(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Join the scores of parts that do not overlap."""
    joined = scores[0]
    for each in scores[1:]:
        joined = np.where(np.isnan(joined), each, joined)
    return joined


def experiments(images: Images) -> pd.DataFrame:
    """Return the scores of all experiments, float16, a row per image."""
    found = {"leave_one_out": leave_one_out(images)}
    for count in PERSONS:
        found |= {f"persons {count} {draw}": drawn_persons(images, count, draw) for draw in range(PERSON_DRAWS)}
    for draw in range(DRAWS):
        for seed in range(SEEDS):
            say(f"leak, draw {draw}, seed {seed}")
            found |= {f"{arm} {draw} {seed}": scores for arm, scores in leak(images, draw, seed).items()}
    return pd.DataFrame(found).astype(np.float16)


def values_of(table: pd.DataFrame, name: str) -> dict[str, pd.DataFrame]:
    """Return what regressions see of a file of features; those at one scale also with the area of the cell."""
    seen = {"area": table[["area"]], "numbers": table[[*NUMBERS]], name: table.filter(like=FEATURE)}
    if name.endswith("_scale"):
        seen[f"{name}_area"] = seen[name].join(table["area"])
    return seen


def run(
    folder: Annotated[Path, typer.Argument(exists=True, help="The files of reproduction.persons.features.")],
) -> None:
    """Keep the scores of each image by regressions on other images."""
    committed = checked_revision()
    for path in sorted(folder.glob("*.parquet")):
        table = pd.read_parquet(path)
        _keep_images(table)
        for name, values in values_of(table, path.stem).items():
            kept = FOLDER / f"{name}.parquet"
            if kept.is_file():
                continue
            say(name)
            scores = experiments(Images(table, values.to_numpy(np.float32)))
            scores.attrs["revision"] = committed  # is kept in the file
            with atomic_path(kept) as temporary:
                scores.to_parquet(temporary, compression="zstd")


def checked_revision() -> str:
    """Return the revision of the code; a ``UserError``: a part of it is not committed."""
    if "+" in revision() or revision() == "unknown":
        raise UserError(f"the code is not committed ({revision()}): run this from a clean clone")
    return revision()


def _keep_images(table: pd.DataFrame) -> None:
    """Write the images, once, in the order of the scores; a ``UserError``: other ones are kept."""
    kept = FOLDER / "images.parquet"
    facts = table[["image_id", "sha256", "label", "subject"]].assign(sha256=table["sha256"].str[:DIGITS])
    for draw in range(DRAWS):
        facts[f"fold {draw}"] = table["subject"].map(folds_of(Images(facts, np.empty(0)), draw)).astype(np.int8)
    if kept.is_file() and list(pd.read_parquet(kept)["sha256"]) != list(facts["sha256"]):
        raise UserError(f"{kept} has other images than the features: compute these of the same files, or move it away")
    with atomic_path(kept) as temporary:
        facts.to_parquet(temporary, index=False, compression="zstd")


if __name__ == "__main__":
    typer.run(report_user_errors()(run))

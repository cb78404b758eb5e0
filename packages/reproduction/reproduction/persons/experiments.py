"""Regressions on frozen features of C-NMC, of persons that they do not know: the scores that ``persons.results`` reads.

``python -m reproduction.persons.experiments data_dir=<C-NMC folder> [weights_dir=<folder>]`` keeps, in
``results/evidence/persons``, what `persons.results` describes. One picture of each cell is used.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from scipy.cluster.hierarchy import DisjointSet
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.manifest import Manifest
from karyocyte.common.cli import report_user_errors, say
from karyocyte.common.files import atomic_path
from karyocyte.common.revision import revision
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.training.process import set_up_torch
from reproduction.evidence.keep import DIGITS
from reproduction.persons.results import ARMS, DRAWS, FOLDER, PERSON_DRAWS, PERSONS, SEEDS

LITE = ("+experiment=mobilenetv2_features", "model=mobilenetv2")
NETWORKS = {
    "resnet50_cut": ("+experiment=resnet50_cut_block5_features",),
    "mobilenetv2": ("+experiment=mobilenetv2_features",),
    "lite0": (*LITE, "model.name=tf_efficientnet_lite0", "weights=tf_efficientnet_lite0.in1k_lukemelas"),
    "resnet18_cut": ("+experiment=resnet18_cut_block5",),
    "lite2": (
        *LITE,
        "model.name=tf_efficientnet_lite2",
        "weights=tf_efficientnet_lite2.in1k_lukemelas",
        "prepare.size=260",
    ),
}
CURVES = ("area", "lite0", "resnet50_cut")  # have the curve of persons, too
FOLDS = 4
HEALTHY = 0.25  # of the drawn training persons: 1, 2 and 5
REGULARISATION = 1e-2  # C of the regression, chosen earlier of 1e-5 to 1e-1 within draws of 20 training persons


@dataclass(frozen=True)
class Cells:
    """N pictures of different cells: label and subject of each, and what a regression sees, float32, (N, values)."""

    frame: pd.DataFrame
    values: np.ndarray

    @cached_property
    def positive(self) -> np.ndarray:
        """Whether each cell is leukaemic, bool."""
        return np.asarray(self.frame["label"] == "all", bool)

    @cached_property
    def persons(self) -> pd.Series:
        """The label of each person by name."""
        return self.frame.groupby("subject")["label"].first()

    def scores(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return the scores of all cells by a regression on some rows, NaN but for those that test."""
        regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
        fitted = make_pipeline(StandardScaler(), regression).fit(self.values[train], self.positive[train])
        scores = np.full(len(self.frame), np.nan)
        scores[test] = fitted.decision_function(self.values[test])
        return scores


def one_of_each_cell(manifest: Manifest) -> pd.DataFrame:
    """Return the images by name, of those that show one cell (by file, or by the known pairs) the first."""
    frame = manifest.frame.sort_values("image_id")
    same = manifest.cell_pairs[manifest.cell_pairs["seen"] != "other"]
    cells = DisjointSet(frame.index)
    for left, right in zip(same["left"], same["right"], strict=True):
        cells.merge(left, right)
    for rows in frame.groupby("sha256").groups.values():
        for row in rows[1:]:
            cells.merge(rows[0], row)
    return frame[~pd.Series([cells[row] for row in frame.index], frame.index).duplicated()]


def features_of(data: ImageDataModule, rows: np.ndarray) -> np.ndarray:
    """Return the features before the head, averaged over the positions, float32, shape (images, features)."""
    model = build_classifier(data.config, data.manifest.classes)[0].eval().to(memory_format=torch.channels_last)
    found: list[np.ndarray] = []
    with torch.inference_mode():
        for batch in data.in_order(rows):
            features = model.features(batch["image"])
            found.append(features.flatten(2).mean(2).numpy() if features.ndim == 4 else features.numpy())
            say(f"{sum(map(len, found)):,} of {len(rows):,} images")
    return np.concatenate(found)


def leave_one_out(cells: Cells) -> np.ndarray:
    """Return the score of each cell by all other persons."""
    scores = np.full(len(cells.frame), np.nan)
    for person in cells.persons.index:
        tested = (cells.frame["subject"] == person).to_numpy()
        scores[tested] = cells.scores(~tested, tested)[tested]
    return scores


def drawn_persons(cells: Cells, count: int, draw: int) -> np.ndarray:
    """Return the scores of all persons but ``count`` drawn ones, who train."""
    healthy = max(1, round(HEALTHY * count))
    shuffled = cells.persons.sample(frac=1, random_state=draw)
    chosen = [*shuffled.index[shuffled == "hem"][:healthy], *shuffled.index[shuffled == "all"][: count - healthy]]
    train = cells.frame["subject"].isin(chosen).to_numpy()
    return cells.scores(train, ~train)


def folds_of(cells: Cells, draw: int) -> pd.Series:
    """Return the fold of each person, 0 to 3, with equal shares of both classes."""
    shuffled = cells.persons.sample(frac=1, random_state=draw)
    return shuffled.groupby(shuffled).cumcount() % FOLDS


def leak(cells: Cells, draw: int, seed: int) -> dict[str, np.ndarray]:
    """Return the scores of the cells that test, by arm."""
    folds = cells.frame["subject"].map(folds_of(cells, draw)).to_numpy()
    scores = {arm: np.full(len(folds), np.nan) for arm in ARMS}
    for fold in range(FOLDS):
        training, test = divide(cells, folds, fold, np.random.default_rng([draw, seed, fold]))
        for arm, train in training.items():
            scores[arm][test] = cells.scores(train, test)[test]
    return scores


def divide(
    cells: Cells, folds: np.ndarray, fold: int, random: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the rows that train by arm, and those that test a fold; the rows of all arms stand first.

    The persons of the next fold are the other persons, who train in place of those of this one.
    """
    other = (fold + 1) % FOLDS
    order = pd.Series(random.permutation(len(folds)), cells.frame.index)
    halves = (order.groupby(cells.frame["subject"]).rank() % 2 == 1).to_numpy()
    candidates = ((folds == fold) & halves, (folds == other) & halves, (folds == fold) & ~halves)
    drawn: list[list[np.ndarray]] = []
    for label in (True, False):
        rows = [np.flatnonzero(chosen & (cells.positive == label)) for chosen in candidates]
        count = min(map(len, rows))
        drawn.append([random.choice(each, count, replace=False) for each in rows])
    test, apart, shared = map(np.concatenate, zip(*drawn, strict=True))
    common = np.flatnonzero(~np.isin(folds, (fold, other)))
    arms = zip(ARMS, (apart, shared, test), strict=True)
    return {arm: np.concatenate([common, rows]) for arm, rows in arms}, test


def experiments(cells: Cells, curve: bool) -> pd.DataFrame:
    """Return the scores of all experiments, float16, a row per cell."""
    found = {"leave_one_out": leave_one_out(cells)}
    for count in PERSONS if curve else ():
        found |= {f"persons {count} {draw}": drawn_persons(cells, count, draw) for draw in range(PERSON_DRAWS)}
    for draw in range(DRAWS):
        for seed in range(SEEDS):
            say(f"leak, draw {draw}, seed {seed}")
            found |= {f"{arm} {draw} {seed}": scores for arm, scores in leak(cells, draw, seed).items()}
    return pd.DataFrame(found).astype(np.float16)


def keep(table: pd.DataFrame, name: str) -> None:
    """Write a table of the evidence, with the revision of the code."""
    table.attrs["revision"] = revision()
    with atomic_path(FOLDER / f"{name}.parquet") as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def run(
    overrides: Annotated[list[str], typer.Argument(help="data_dir=<C-NMC folder> and other keys of train.py.")],
    network: Annotated[list[str], typer.Option(help="Names of networks.")] = list(NETWORKS),  # noqa: B006
) -> None:
    """Keep the scores of each cell by regressions on other cells."""
    set_up_torch()
    for name in network:
        say(name)
        keys = [*NETWORKS[name], "protocol=subject", "balance=none", "transform=none", *overrides]
        data = ImageDataModule(as_classifier(compose_config(keys)))
        data.prepare_data()
        data.setup()
        frame = one_of_each_cell(data.manifest)
        values = features_of(data, frame.index.to_numpy())
        frame = frame.reset_index(drop=True)
        keep_experiments(frame, {"area": frame[["area"]].to_numpy(np.float32), name: values})


def keep_experiments(frame: pd.DataFrame, seen: dict[str, np.ndarray]) -> None:
    """Keep the images, and the scores of regressions on each kind of values, by its name."""
    facts = frame[["image_id", "sha256", "label", "subject"]].assign(sha256=frame["sha256"].str[:DIGITS])
    for draw in range(DRAWS):
        facts[f"fold {draw}"] = facts["subject"].map(folds_of(Cells(facts, np.empty(0)), draw)).astype(np.int8)
    keep(facts, "images")
    for name, values in seen.items():
        if name != "area" or not (FOLDER / "area.parquet").is_file():
            keep(experiments(Cells(frame, values), name in CURVES), name)


if __name__ == "__main__":
    typer.run(report_user_errors()(run))

"""How accuracy on new persons rises with the number of training persons, on C-NMC.

``python -m benchmarks.cnmc.persons data_dir=<C-NMC folder> --csv results/cnmc/persons.csv`` computes the features of
all images once (ResNet-50 to layer3, frozen, images with CLAHE, pooled) and fits a logistic regression to those of 5,
10, 20 and 30 persons, drawn at random with a quarter of healthy ones. The other persons are tested; with all but one
as training persons each image is predicted once (leave one person out).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.shared import show
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.cli import report_user_errors
from karyocyte.common.files import write_csv
from karyocyte.composition.compose import compose_config
from karyocyte.config.recipes import as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.training.process import set_up_torch

SETTINGS = ("+experiment=resnet50_cut_block5_features", "prepare.clahe=true", "protocol=subject")
PERSONS = (5, 10, 20, 30)
DRAWS = 10
HEALTHY = 0.25  # of the training persons, as in the whole set
REGULARISATION = 1e-2  # C of the regression, chosen of 1e-5 to 1e-1 within draws of 20 training persons


def features_of(data: ImageDataModule, rows: np.ndarray) -> np.ndarray:
    """Return the pooled features of images, float32, shape (images, 1024)."""
    model = build_classifier(data.config, data.manifest.classes)[0].eval()
    found = []
    with torch.inference_mode():
        for batch in data.in_order(rows, None):
            found.append(model.features(batch["image"]).mean((2, 3)).numpy())
    return np.concatenate(found)


def fitted(features: np.ndarray, labels: np.ndarray) -> Pipeline:
    """Return a logistic regression on standardised features, both classes weighted equally."""
    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), regression).fit(features, labels)


def draws(subjects: pd.Series, count: int) -> Iterator[set[str]]:
    """Yield drawn training persons; ``subjects`` has the label of each person by name."""
    healthy = max(1, round(HEALTHY * count))
    for seed in range(DRAWS):
        shuffled = subjects.sample(frac=1, random_state=seed)
        negative = shuffled[shuffled == "hem"].index[:healthy]
        yield {*negative, *shuffled[shuffled == "all"].index[: count - healthy]}


def person_auc(frame: pd.DataFrame, probability: np.ndarray) -> float:
    """Return the AUC of the mean probability of each person."""
    people = frame.assign(probability=probability).groupby("subject").agg({"label": "first", "probability": "mean"})
    return float(roc_auc_score(people["label"] == "all", people["probability"]))


def curve(frame: pd.DataFrame, features: np.ndarray) -> list[dict[str, float]]:
    """Return a row per draw of training persons: AUC per image and person of the others."""
    labels = (frame["label"] == "all").to_numpy()
    subjects = frame.groupby("subject")["label"].first()
    rows = []
    for count in PERSONS:
        for draw, training in enumerate(draws(subjects, count)):
            known = frame["subject"].isin(training).to_numpy()
            model = fitted(features[known], labels[known])
            probability = model.predict_proba(features[~known])[:, 1]
            row = {"persons": count, "draw": draw, "auc": roc_auc_score(labels[~known], probability)}
            rows.append(row | {"person_auc": person_auc(frame[~known], probability)})
    return rows


def leave_one_out(frame: pd.DataFrame, features: np.ndarray) -> dict[str, float]:
    """Return the AUC per image and person where each person is predicted from all others."""
    labels = (frame["label"] == "all").to_numpy()
    probability = np.zeros(len(frame))
    for subject in frame["subject"].unique():
        tested = (frame["subject"] == subject).to_numpy()
        model = fitted(features[~tested], labels[~tested])
        probability[tested] = model.predict_proba(features[tested])[:, 1]
    count = frame["subject"].nunique() - 1
    auc = roc_auc_score(labels, probability)
    return {"persons": count, "draw": 0, "auc": auc, "person_auc": person_auc(frame, probability)}


def run(
    overrides: Annotated[list[str], typer.Argument(help="data_dir=<C-NMC folder> and other keys of train.py.")],
    csv: Annotated[Path | None, typer.Option(help="Where the table is written.")] = None,
) -> None:
    """Measure the accuracy on new persons by the number of training persons."""
    set_up_torch()
    data = ImageDataModule(as_classifier(compose_config([*SETTINGS, *overrides])))
    data.prepare_data()
    data.setup()
    rows = np.flatnonzero(data.parts.notna())
    frame = data.manifest.frame.iloc[rows].reset_index(drop=True)
    features = features_of(data, rows)
    table = pd.DataFrame([*curve(frame, features), leave_one_out(frame, features)])
    means = table.groupby("persons")[["auc", "person_auc"]].agg(["mean", "min", "max"]).round(3)
    means.columns = pd.Index([" ".join(names) for names in means.columns])
    show(means.reset_index(), "AUC on new persons", ["persons", *means.columns])
    if csv is not None:
        write_csv(csv, table.round(4))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))

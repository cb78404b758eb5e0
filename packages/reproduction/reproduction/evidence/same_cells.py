"""What cells that are pictured twice, and persons in pairs, say of the kept networks on C-NMC."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.seeds import run_groups, seed_means
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.difference import SETTINGS, shown_cells
from reproduction.measured import names_one_class
from reproduction.persons.linked import ALL_IMAGES, SPLITS, deals_persons
from reproduction.persons.results import RESAMPLES, Images, columns, resampled

METRICS = ("auc", "f1_weighted")


def repeated_in_training(split: pd.DataFrame) -> set[str]:
    """Return the test images of a split that show a cell of a training or validation image, by file or by cell."""
    cells = shown_cells(split["image_id"], "cnmc")
    known = cells[split["part"].isin(["train", "validation"])]
    return set(split.loc[(split["part"] == "test") & cells.isin(known), "image_id"])


def rows_of_repeats(runs: Sequence[Run]) -> pd.DataFrame:
    """Return each network of paper 004 on its random split, on all test images and on those of cells seen once."""
    repeated = repeated_in_training(pd.read_parquet(RESULTS / EVIDENCE / SPLITS / ALL_IMAGES))
    rows = []
    for group in run_groups(runs):
        parts = [test for run in group if not names_one_class(test := run.predictions.part("test"))]
        about = group[0].predictions.about
        if not parts or (about["source"], about["protocol"]) != ("cnmc", "paper"):
            continue
        row: dict[str, object] = {"name": about["name"], "config": about["config"], "seeds": len(parts)}
        for word, chosen in (("all", parts), ("once", [without(part, repeated) for part in parts])):
            means = seed_means(chosen, SETTINGS, names=METRICS)
            row[f"images_{word}"] = means.images
            for metric in METRICS:
                row |= means.metrics[metric].columns(f"{metric}_{word}")
        rows.append(row)
    return pd.DataFrame(rows)


def without(predictions: Predictions, images: set[str]) -> Predictions:
    """Return predictions without some images, by their ids."""
    frame = predictions.frame
    return replace(predictions, frame=frame[~frame["image_id"].isin(images)].reset_index(drop=True))


def rows_of_person_pairs(runs: Sequence[Run]) -> pd.DataFrame:
    """Return how a network and the area of the cell rank the cells of every patient and every healthy person.

    Each pair of persons weighs alike. A pair's AUC is the mean over the seeds of the fold that tests both. Intervals
    draw persons.
    """
    apart = [run for run in runs if run.predictions.about["protocol"] == "subject"]
    return pd.DataFrame([_row_of_pairs(group) for group in run_groups(apart)])


def _row_of_pairs(group: Sequence[Run]) -> dict[str, object]:
    folds = pairs_by_fold(group)
    random = np.random.default_rng(0)
    drawn = [_means([resampled(pairs, random) for pairs in folds]) for _ in range(RESAMPLES)]
    network, area = _means(folds)
    again = np.array(drawn)
    about = group[0].predictions.about
    dealt = ", linked persons" if deals_persons(group[0]) else ""
    row: dict[str, object] = {"name": f"{about['name']}{dealt}", "config": about["config"]}
    row["pairs"] = sum(pairs.shape[1] * pairs.shape[2] for pairs in folds)
    row |= columns("network", network, again[:, 0]) | columns("area", area, again[:, 1])
    return row | columns("difference", network - area, again[:, 0] - again[:, 1])


def pairs_by_fold(group: Sequence[Run]) -> list[np.ndarray]:
    """Return the AUC of each pair of a patient and a healthy person, of each fold that some of the runs test.

    Returns:
        Of each fold float64, shape (network and area, patients, healthy persons).
    """
    of_fold: dict[object, list[Run]] = {}
    for run in group:
        of_fold.setdefault(run.predictions.about["fold"], []).append(run)
    return [_pairs_of_fold(runs) for _, runs in sorted(of_fold.items(), key=lambda entry: str(entry[0]))]


def _pairs_of_fold(runs: Sequence[Run]) -> np.ndarray:
    about = runs[0].predictions.about
    dealt = "subject" if deals_persons(runs[0]) else "names"
    evidence = runs[0].folder.parents[2]
    path = evidence / SPLITS / f"{about['source']}-{dealt}-fold{about['fold']}.parquet"
    areas = pd.read_parquet(path).set_index("image_id")["area"].astype(float)
    found = []
    for run in runs:
        frame = run.predictions.part("test").frame.reset_index(drop=True)
        images = Images(frame)
        scores = (frame["prob_all"].to_numpy(float), frame["image_id"].map(areas).to_numpy(float))
        ordered = [images.pairs(values) for values in scores]
        found.append([in_order / count for in_order, count in ordered])
    return np.asarray(np.mean(found, axis=0))


def _means(folds: Sequence[np.ndarray]) -> list[float]:
    """Return the means over all pairs of persons, of the network and of the area."""
    return [float(np.concatenate([pairs[place].ravel() for pairs in folds]).mean()) for place in (0, 1)]

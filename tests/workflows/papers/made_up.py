"""Made-up runs of the papers' sizes: their predictions are written, not trained."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.config.compose import compose_config
from common.paths import ROOT
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.runs.ensemble import EnsembleFile
from common.runs.run import Run
from datamodules.manifest.splits import paper_counts
from evaluation.averaging import ensemble_name
from workflows.papers.claims import Claim, PaperData, printed_claims
from workflows.papers.verdicts import compare_runs, to_frame

SURE = 0.9  # the probability of the predicted class
SUBJECTS = 100
# Groups of images in place of none: intervals over single images would take minutes for the training part.
GROUPS = {"mnist": 1000, "cifar10": 1000}
WITHOUT_SUBJECTS = ("karyograms",)
SPLIT = "split.test=fold"  # of MNIST and CIFAR-10 else the official test images
HELD_OUT = ("validation", "test")
CLASSES = {"mnist": 10, "cifar10": 10, "chromosomes": 24}


def made_up_verdicts(folder: Path, quality: Callable[[float], float], experiments: Sequence[str] | None = None):
    """Return the comparison of made-up runs with what the papers print, a row for each printed figure.

    ``quality`` turns the printed headline, 0 to 1, into the share of images that are predicted right; ``experiments``
    are those of which runs are made up, None all of them. An ensemble needs its members.
    """
    runs = write_made_up_runs(folder, quality, experiments)
    return to_frame(compare_runs(list(runs.values()))).query("printed != ''").reset_index(drop=True)


def write_made_up_runs(
    folder: Path, quality: Callable[[float], float], experiments: Sequence[str] | None = None
) -> dict[str, Path]:
    """Write a run of each experiment and ensemble of the papers, or of some; return their folders by experiment."""
    runs = {}
    for claim in printed_claims(ROOT / "results"):
        if experiments is not None and claim.experiment not in experiments:
            continue
        run = Run(folder / claim.experiment)
        _write_run(run, claim, quality(float(Fraction(claim.figures[0].printed or "0.9"))))
        runs[claim.experiment] = run.folder
    return runs


def _write_run(run: Run, claim: Claim, right: float) -> None:
    """Write a run of a claim; of an ensemble, its members are the runs beside it."""
    name = claim.members[0] if claim.members else claim.experiment
    config = compose_config([f"+experiment={name}", f"data={claim.data.dataset}", "protocol=paper", SPLIT])
    assert config.data.paper_split is not None
    train, validation = paper_counts(claim.data.total, config.data.paper_split)
    sizes = {"train": train, "validation": validation, "test": claim.data.total - train - validation}
    predictions = partial(made_up_predictions, claim.data, right, sizes)
    about = {"name": claim.experiment, "source": claim.data.dataset, "protocol": "paper", "fold": 0, "seed": 0}
    about |= {"images_seen": 10 * claim.data.train, "wall_seconds": 60.0, "revision": "made up"}
    if claim.members:
        about["name"] = ensemble_name(claim.method, len(claim.members), list(claim.members))
        members = tuple(str(run.folder.parent / name) for name in claim.members)
        run.write_predictions(predictions(about))
        run.write_ensemble(EnsembleFile(claim.method, members, claim.members, {}, {"images": 0}))
    else:
        run.write_predictions(predictions(about))
        run.write_predictions_train(predictions(about, ("train",)))
        run.write_raw_config(config.model_dump(mode="json"))


def made_up_predictions(
    data: PaperData, right: float, sizes: Mapping[str, int], about: dict[str, Any], named: Sequence[str] = HELD_OUT
) -> Predictions:
    """Return predictions of some parts of so many images; a share ``right`` of the images of each class is right."""
    classes = data.classes or tuple(f"c{number}" for number in range(CLASSES[data.dataset]))
    frames = [_part(part, sizes[part], classes, right) for part in named]
    frame = pd.concat(frames, ignore_index=True)
    drawn = np.random.default_rng(0).integers(GROUPS.get(data.dataset, SUBJECTS), size=len(frame))
    frame["subject"] = np.array([f"subject{number}" for number in drawn], dtype=object)
    if data.dataset in WITHOUT_SUBJECTS:
        frame["subject"] = None
    frame["image_id"] = [f"image{number}" for number in frame.index]
    return Predictions(frame.assign(path=frame["image_id"]), classes, classes[1] if data.classes else None, about)


def _part(part: str, images: int, classes: tuple[str, ...], right: float) -> pd.DataFrame:
    """A third of two classes is negative; the predictions of an image that is wrong are those of the next class."""
    k = len(classes)
    truth = np.sort(np.arange(images) % (3 if k == 2 else k)).clip(max=k - 1)
    place = pd.Series(truth).groupby(truth).cumcount().to_numpy()
    size = np.bincount(truth, minlength=k)[truth]
    called = np.where(place < np.round(right * size), truth, (truth + 1) % k)
    probabilities = np.full((images, k), (1 - SURE) / (k - 1))
    probabilities[np.arange(images), called] = SURE
    frame = pd.DataFrame(probabilities, columns=[PROBABILITY_PREFIX + name for name in classes])
    frame = frame.assign(label=np.array(classes)[truth], part=part, cell=None, kind=None, group=None)
    return frame.assign(width=300, height=300, uncertainty=uncertainty_of(probabilities))

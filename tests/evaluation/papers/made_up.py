"""Made-up runs of the papers' sizes: their predictions are written, not trained; they test the comparison alone."""

from fractions import Fraction
from functools import partial

import numpy as np
import pandas as pd

from common.config.compose import compose_config
from common.paths import ROOT
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.runs.ensemble import EnsembleFile
from common.runs.run import Run
from datamodules.manifest.splits import _paper_counts
from evaluation.ensembles.averaging import ensemble_name
from evaluation.papers.claims import printed_claims

SURE = 0.9  # the probability of the predicted class
SUBJECTS = 100
SPLIT = "split.test=fold"  # of MNIST and CIFAR-10 else the official test images
CLASSES = {"mnist": 10, "cifar10": 10, "chromosomes": 24}


def write_made_up_runs(folder, quality):
    """Write a run of each experiment and ensemble of the papers; return their folders by experiment.

    ``quality`` turns the printed headline, 0 to 1, into the share of images that are predicted right.
    """
    runs = {}
    for claim in printed_claims(ROOT / "results"):
        headline = claim.figures[0]
        right = quality(float(Fraction(headline.printed or "0.9")))
        name = claim.members[0] if claim.members else claim.experiment
        config = compose_config([f"+experiment={name}", f"data={claim.data.dataset}", "protocol=paper", SPLIT])
        train, validation = _paper_counts(claim.data.total, config.data.paper_split)
        sizes = {"train": train, "validation": validation, "test": claim.data.total - train - validation}
        predictions = partial(made_up_predictions, claim.data, right, sizes)
        run = Run(folder / claim.experiment)
        about = {"name": claim.experiment, "source": claim.data.dataset, "protocol": "paper", "fold": 0, "seed": 0}
        about |= {"images_seen": 10 * claim.data.train, "wall_seconds": 60.0, "revision": "made up"}
        if claim.members:
            about["name"] = ensemble_name(claim.method, len(claim.members), list(claim.members))
            members = tuple(str(folder / name) for name in claim.members)
            run.write_predictions(predictions(about))
            run.write_ensemble(EnsembleFile(claim.method, members, claim.members, {}, {"images": 0}))
        else:
            run.write_predictions(predictions(about))
            run.write_predictions_train(predictions(about, ("train",)))
            run.write_raw_config(config.model_dump(mode="json"))
        runs[claim.experiment] = run.folder
    return runs


def made_up_predictions(data, right, sizes, about, named=("validation", "test")):
    """Return predictions of some parts of so many images; a share ``right`` of the images of each class is right."""
    classes = data.classes or tuple(f"c{number}" for number in range(CLASSES[data.dataset]))
    frames = [_part(part, sizes[part], classes, right) for part in named]
    frame = pd.concat(frames, ignore_index=True)
    frame["image_id"] = [f"image{number}" for number in frame.index]
    return Predictions(frame.assign(path=frame["image_id"]), classes, classes[1] if data.classes else None, about)


def _part(part, images, classes, right):
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
    drawn = np.random.default_rng(0).integers(SUBJECTS, size=images)
    frame["subject"] = np.array([f"subject{number}" for number in drawn], dtype=object)
    return frame.assign(width=300, height=300, uncertainty=uncertainty_of(probabilities))

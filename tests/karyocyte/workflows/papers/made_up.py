"""Made-up runs of the papers' sizes that predict as well as a section of a paper prints, or better, or worse."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from karyocyte.composition.compose import compose_config
from karyocyte.evaluation.pooling.averaging import ensemble_name
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from karyocyte.runs.run import Run
from karyocyte.workflows.papers.claims import PARTS, TRAIN, Claim
from karyocyte.workflows.papers.measured import LOSS, OF_EPOCH

CLASSES = {"mnist": 10, "cifar10": 10, "chromosomes": 24}
POSITIVES = 0.674  # the share of 004's test part
GROUPS = 400  # subjects; intervals over single images would take minutes for the training parts
STEP = 0.3  # by which another network is better or worse, of a share; a loss is larger by as much, or a third of it
DEFAULT = 0.6  # right, where only other figures are printed
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Targets:
    """What a part of a section prints by metric, and what the network is: "same", "better" or "worse"."""

    printed: dict[str, Fraction]
    network: str

    def share(self, *names: str) -> float:
        """Return the first of some shares that is printed, or the AUC, as the network has it; DEFAULT without one."""
        step = {"same": 0.0, "better": STEP, "worse": -STEP}[self.network]
        for name in (*names, "auc"):
            if name in self.printed:
                return float(np.clip(float(self.printed[name]) + step, 0, 1))
        return DEFAULT

    @property
    def loss(self) -> float:
        """The printed loss, or that of the network."""
        printed = float(next(value for name, value in self.printed.items() if name.endswith(LOSS)))
        return {"same": printed, "better": printed / 3, "worse": printed + STEP}[self.network]


def write_runs(folder, claims: list[Claim], network: str) -> list:
    """Write runs that make the claims of a section of an experiment; return their folders."""
    claim = claims[0]
    targets = {part: {} for part in PARTS}
    for figure in claims:
        known = targets[figure.part].get(figure.metric)
        if known is None or "/" in figure.printed:  # a matrix is exact
            targets[figure.part][figure.metric] = Fraction(figure.printed.removeprefix(">"))
    of_part = {part: Targets(printed, network) for part, printed in targets.items()}
    of_epoch = bool(set(OF_EPOCH) & set(targets[TRAIN]))
    first = claim.members[0] if claim.members else claim.experiment
    words = [f"+experiment={first}", f"data={claim.data.dataset}", "protocol=paper", "split.test=fold"]
    config = compose_config(words).model_dump(mode="json")
    folders = []
    for seed in SEEDS[: 3 if of_epoch else 1]:
        run = Run(folder / f"seed={seed}")
        about = {"name": claim.experiment, "source": claim.data.dataset, "protocol": "paper", "fold": 0, "seed": seed}
        about |= {"images_seen": 10 * claim.data.size(TRAIN), "monitor": "val/auc"}
        if claim.members:
            about["name"] = ensemble_name(claim.method, len(claim.members), list(claim.members))
            run.folder.mkdir(parents=True)
            write_ensemble(run.folder, EnsembleFile(claim.method, (), (), {}, {"images": 0}))
        else:
            run.write_raw_config(config)
        parts = [_part(claim, part, of_part[part]) for part in PARTS[1:] if claim.data.size(part)]
        classes = _classes(claim)
        facts = (classes, classes[1] if len(classes) == 2 else None, about)
        run.write_predictions(Predictions(pd.concat(parts, ignore_index=True), *facts))
        if set(targets[TRAIN]) - set(OF_EPOCH):
            train = Predictions(_part(claim, TRAIN, of_part[TRAIN]), *facts)
            run.write_predictions(train, RunFile.PREDICTIONS_TRAIN)
        if of_epoch:
            _write_log(run, of_part[TRAIN], 0.001 * (seed - 1))
        folders.append(run.folder)
    return folders


def _write_log(run: Run, targets: Targets, off: float) -> None:
    logged = {"epoch": [0, 1], "val/auc": [0.5, 0.9], "train/loss": [9.0, targets.loss + off]}
    logs = run.folder / "logs" / "1-head" / "version_0"
    logs.mkdir(parents=True)
    pd.DataFrame(logged | {"train/acc": [0.0, targets.share("epoch_accuracy") + off]}).to_csv(logs / "metrics.csv")


def _classes(claim: Claim) -> tuple[str, ...]:
    return claim.data.classes or tuple(f"c{number}" for number in range(CLASSES[claim.data.dataset]))


def _part(claim: Claim, part: str, targets: Targets) -> pd.DataFrame:
    """Return the rows of a part: of each class its recall, or else the accuracy, is right."""
    classes = _classes(claim)
    count = len(classes)
    images = claim.data.size(part)
    truth = np.arange(images) % count
    if count == 2:
        recall = targets.printed.get(f"recall/{classes[1]}", Fraction(0))
        positives = recall.denominator if 1 < recall.denominator < 100 else round(POSITIVES * images)
        truth = (np.arange(images) < positives).astype(int)
    place = pd.Series(truth).groupby(truth).cumcount().to_numpy()
    shares = [targets.share(f"recall/{name}", "accuracy", "f1_weighted") for name in classes]
    right = place < np.round(np.array(shares) * np.bincount(truth, minlength=count))[truth]
    probability = np.where(right, *_sureness(right.mean(), targets))  # of the true class
    if "auc" in targets.printed:
        probability = _ranked(right, truth, shares, targets.share("auc"))
    probabilities = np.zeros((images, count))
    probabilities[np.arange(images), (truth + 1) % count] = 1 - probability
    probabilities[np.arange(images), truth] = probability
    frame = pd.DataFrame(probabilities, columns=[PROBABILITY_PREFIX + name for name in classes])
    frame["image_id"] = [f"{part}{number}" for number in range(images)]
    frame["subject"] = [f"s{number}" for number in np.random.default_rng(0).permutation(images) % GROUPS]
    if claim.data.dataset == "karyograms":
        frame["subject"] = None
    facts = {"label": np.array(classes)[truth], "part": part, "cell": None, "kind": None, "group": None}
    facts |= {"path": frame["image_id"], "width": 300, "height": 300, "uncertainty": uncertainty_of(probabilities)}
    return frame.assign(**facts)


def _sureness(share: float, targets: Targets) -> tuple[float, float]:
    """Return the probability of the true class of right and of wrong images: their mean cross-entropy is the loss."""
    if LOSS not in targets.printed:
        return 0.9, 0.1
    wrong = 0.45
    of_right = (targets.loss + (1 - share) * np.log(wrong)) / share
    if of_right < np.log(1.9):
        return float(np.exp(-of_right)), wrong
    return 0.55, float(np.exp(-(targets.loss + share * np.log(0.55)) / (1 - share)))


def _ranked(right: np.ndarray, truth: np.ndarray, shares: list[float], auc: float) -> np.ndarray:
    """Return the probability of the true class of two, so that the AUC is as wanted, given both recalls.

    A share of the wrong images is less sure than the right ones that are called the same, the others are surer.
    """
    both = shares[0] * shares[1]
    one = shares[0] + shares[1] - 2 * both
    unsure = np.clip((auc - both) / one, 0, 1) if one else 1.0
    place = pd.Series(right).groupby([right, truth]).cumcount().to_numpy()
    wrong = np.bincount(truth[~right], minlength=2)[truth]
    return np.where(right, 0.9, np.where(place < np.round(unsure * wrong), 0.4, 0.05))

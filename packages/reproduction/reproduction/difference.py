"""Is a printed figure reproduced? The difference between our figure and the printed one, with a 95 % interval.

Ours is the mean over S trainings (seeds), all on the same images of n cells; the printed figure is of a single training
and of N images. Both draw their images from the same persons. With

- ``s``: the standard deviation between trainings,
- ``V``: the variance of our mean by the sampling of cells, of the jackknife that leaves out a cell with all of its
  images in all trainings (Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 3),
- ``v``: that of a single training, as of one image, the mean over the trainings,

the variance of the difference is ``s^2 (1 / S + 1) + V + v / N``: the 1 is the printed training, the last part the
sampling of its images, which repeat cells as often as ours. The interval is that of t, with the degrees of freedom of
Welch (Biometrika, 1947) and Satterthwaite (Biometrics Bulletin, 1946), of S - 1 for the first part and n - 1 for the
others. That it lies within a margin is a test of equivalence (Schuirmann, Journal of Pharmacokinetics and
Biopharmaceutics, 1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from datamodules.manifest.same_cells import FILE, SIDES, TABLES, SameCells, joined
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.metrics.temperature import clip
from karyocyte.evaluation.types.result import Estimate
from karyocyte.runs.predictions import Predictions
from reproduction.claims import RESULTS, Claim
from reproduction.figures.checkpoints import CHECKPOINTS

SETTINGS = EvaluationConfig()
MARGIN = 0.02  # ours: a difference within it, of shares or of nats, is none that matters
LOSS = "loss"  # the cross-entropy, nats
REPRODUCED, CANNOT_TELL = "reproduced", "cannot tell"
WORSE, BETTER = ("lower (worse)", "higher (worse)"), ("higher (better)", "lower (better)")


@dataclass(frozen=True)
class Spread:
    """What moves a mean over trainings, as variances: between trainings, and by the sampling of ``cells`` cells.

    ``of_mean`` is that of the mean over the trainings, ``of_image`` that of one training times its number of images;
    both are 0 of a mean over an epoch, whose images are not known.
    """

    seeds: int
    training: float  # NaN with one seed
    cells: int = 2
    of_mean: float = 0.0
    of_image: float = 0.0

    def reach(self, printed_images: int) -> float:
        """Return half the width of the interval of ours minus a figure of one training and so many images."""
        parts = np.array([self.training * (1 / self.seeds + 1), self.of_mean, self.of_image / printed_images])
        if not parts.any():
            return 0.0
        degrees = np.array([self.seeds - 1, self.cells - 1, self.cells - 1])
        freedom = parts.sum() ** 2 / (parts**2 / degrees).sum()
        return float(special.stdtrit(freedom, (1 + SETTINGS.confidence) / 2) * np.sqrt(parts.sum()))


def spreads(runs: Sequence[Predictions], names: Sequence[str]) -> dict[str, Spread]:
    """Return the spread of some metrics, and of LOSS, of trainings on the same images."""
    values, changes = zip(*(_without_each_cell(run, names) for run in runs), strict=True)
    of_seeds = pd.DataFrame(values).groupby([str(run.about.get("seed")) for run in runs]).mean()
    # A cell that a run lacks changes nothing there.
    of_all = pd.concat(changes).groupby(level=0).sum() / len(runs)
    found = pd.DataFrame({"training": of_seeds.var(), "of_mean": _jackknife(of_all)})
    of_images = [_jackknife(each) * (run.labels >= 0).sum() for each, run in zip(changes, runs, strict=True)]
    found["of_image"] = pd.DataFrame(of_images).mean()
    return {str(name): Spread(len(of_seeds), cells=len(of_all), **row) for name, row in found.iterrows()}


def _without_each_cell(run: Predictions, names: Sequence[str]) -> tuple[pd.Series, pd.DataFrame]:
    """Return metrics of the labelled images of a run, and by cell how they change without its images."""
    scored = score(run)
    images = run.frame.loc[run.labels >= 0, "image_id"]
    clusters, cells = pd.factorize(shown_cells(images, str(run.about.get("source"))))
    metrics = WeightedMetrics(replace(scored, clusters=clusters), names=tuple(names))
    whole = pd.Series(metrics(np.ones((1, len(cells))))[:, 0], list(names))
    changes = pd.DataFrame(metrics.without_each.T, cells, list(names)) - whole
    losses = pd.Series(-np.log(clip(scored.probabilities[np.arange(len(images)), scored.labels])))
    of_cells = losses.groupby(cells[clusters]).agg(["sum", "size"])
    changes[LOSS] = (losses.sum() - of_cells["sum"]) / (len(images) - of_cells["size"]) - losses.mean()
    return pd.concat([whole, pd.Series({LOSS: losses.mean()})]), changes


def shown_cells(images: pd.Series, source: str) -> pd.Series:
    """Return the cell that each image of a source shows by the published tables: the first ``image_id`` of it."""
    if source not in TABLES:
        return images
    folder = RESULTS / TABLES[source]
    pairs = SameCells.read(folder / FILE).same[[f"image_{side}" for side in SIDES]].to_numpy().tolist()
    copies = pd.read_csv(folder / "identical_files.csv")["copies"].str.findall(r"/(\w+)")
    cells = joined([*([image] for image in images), *pairs, *copies])
    return images.map({image: min(cell) for cell in cells for image in cell})


def _jackknife(changes: pd.DataFrame) -> pd.Series:
    """Return the variances of statistics from their changes without each of n cells."""
    return (1 - 1 / len(changes)) * ((changes - changes.mean()) ** 2).sum()


def difference(claim: Claim, value: float, spread: Spread) -> Estimate:
    """Return ours minus the printed figure, which may be rounded or truncated; with one seed without an interval."""
    low, high = claim.bounds
    if spread.seeds < 2:
        return Estimate(value - claim.number)
    reach = spread.reach(claim.data.sizes[claim.part])
    most = np.inf if claim.metric.endswith((LOSS, CHECKPOINTS)) else 1.0  # of shares
    return Estimate(value - claim.number, max(value - high - reach, -most), min(value - low + reach, most))


def verdict(metric: str, difference: Estimate) -> str:
    """Return REPRODUCED, one of WORSE or BETTER, or CANNOT_TELL with the width of the interval."""
    assert difference.low is not None
    assert difference.high is not None
    if difference.low >= -MARGIN and difference.high <= MARGIN:
        return REPRODUCED
    if difference.low <= 0 <= difference.high:
        return f"{CANNOT_TELL}: {difference.high - difference.low:.3f} wide"
    word = "higher" if difference.low > 0 else "lower"
    is_better = (word == "lower") == lower_is_better(metric)
    return next(grade for grade in (BETTER if is_better else WORSE) if grade.startswith(word))

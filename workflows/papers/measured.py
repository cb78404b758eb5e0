"""What was measured here, to be compared with printed figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.result import Estimate

LOSS = "loss"  # the cross-entropy, nats
# Means over the batches of the chosen epoch, with dropout and before the weights of its end, as Keras prints them.
EPOCH_LOSS = "epoch_loss"
EPOCH_ACCURACY = "epoch_accuracy"
OF_EPOCH = (EPOCH_LOSS, EPOCH_ACCURACY)
Metric = tuple[str, str]  # part and name


@dataclass(frozen=True)
class Measured:
    """Figures of the runs of one experiment, split and configuration: the mean over its folds and seeds.

    Attributes:
        data: The data source; a table's name where that is a mere folder or table of images.
        folds: Their numbers, separated by blanks; so are the seeds.
        subjects: None where none is known.
        images: Of each part, the mean of one run.
        values: By part and metric, with 95 % intervals.
        images_seen: In the training of one run; None where it is not recorded, as the minutes.
        departures: From the experiment that it is named after, see ``departures.departures``.
    """

    label: str
    experiment: str
    data: str
    protocol: str
    folds: str
    seeds: str
    subjects: int | None
    images: Mapping[str, float]
    values: Mapping[Metric, Estimate]
    images_seen: float | None
    minutes: float | None
    revision: str
    departures: tuple[str, ...]

    @property
    def fold_count(self) -> int:
        """The number of folds, at least 1."""
        return max(len(self.folds.split()), 1)

    def total(self, part: str) -> int:
        """Return the images of a part of all folds."""
        return round(self.images.get(part, 0) * self.fold_count)

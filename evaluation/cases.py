"""The labelled images of a part with all that was said of each: calls, and how sure they are in several ways."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.predictions import SAMPLED_PREFIX, SAMPLED_PROBABILITY_PREFIX, Predictions
from evaluation.metrics import call
from evaluation.scored import Scored, score


@dataclass(frozen=True)
class Confidence:
    """Calls, and how sure each is.

    Attributes:
        called: Class indices, int64, shape (N,).
        values: The larger the surer, float64, shape (N,); equal ones are ties.
    """

    called: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Cases:
    """Labelled images of one part.

    Attributes:
        scored: Labels and probabilities of the N images.
        frame: Their rows of the predictions, numbered from 0.
        sampled: Whether each was judged by several passes or members, so that there are votes.
    """

    scored: Scored
    frame: pd.DataFrame
    sampled: bool

    @property
    def labels(self) -> np.ndarray:
        """True classes as indices, int64, shape (N,)."""
        return self.scored.labels

    @property
    def mean_probabilities(self) -> np.ndarray:
        """Means over passes or members, 0 to 1, shape (N, K); only where ``sampled``."""
        return self.frame[[SAMPLED_PROBABILITY_PREFIX + name for name in self.scored.classes]].to_numpy(np.float64)

    @property
    def votes(self) -> Confidence:
        """What most passes call, and the share of them that does (0 to 1); only where ``sampled``."""
        return self._of_majority("votes")

    @property
    def joint(self) -> Confidence:
        """What most passes call, and share times their mean probability (0 to 1); only where ``sampled``."""
        return self._of_majority("confidence")

    @property
    def plain(self) -> Confidence:
        """What the probabilities without sampling call (at 0.5), and the largest of them."""
        probabilities = self.scored.probabilities
        return Confidence(call(probabilities, self.scored.positive_index), probabilities.max(axis=1))

    @property
    def best(self) -> Confidence:
        """The joint confidence where there is one, else the plain probability."""
        return self.joint if self.sampled else self.plain

    def confidences(self) -> dict[str, Confidence]:
        """Return every confidence at hand under its name: ``probability``, and those of sampling."""
        if not self.sampled:
            return {"probability": self.plain}
        means = self.mean_probabilities
        agreed = self.frame[SAMPLED_PREFIX + "mutual_information"].to_numpy(np.float64)
        return {
            "probability": self.plain,
            "votes": self.votes,
            "mean_probability": Confidence(call(means, self.scored.positive_index), means.max(axis=1)),
            "joint": self.joint,
            "mutual_information": Confidence(self.votes.called, -agreed),
        }

    def _of_majority(self, column: str) -> Confidence:
        index = {name: place for place, name in enumerate(self.scored.classes)}
        called = self.frame[SAMPLED_PREFIX + "label"].map(index).to_numpy(np.int64)
        return Confidence(called, self.frame[SAMPLED_PREFIX + column].to_numpy(np.float64))


def cases(predictions: Predictions) -> Cases:
    """Take the labelled rows of ``predictions`` (all parts that it holds).

    Raises:
        UserError: See ``scored.score``.
    """
    frame = predictions.frame[predictions.labels >= 0].reset_index(drop=True)
    return Cases(score(predictions), frame, predictions.sampled)

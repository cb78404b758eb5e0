"""Many predictions of the same images, of passes of Monte Carlo dropout or members of an ensemble."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from karyocyte.runs.predictions import SAMPLED_PREFIX, SAMPLED_PROBABILITY_PREFIX, uncertainty_of


def summarise(passes: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Summarise T predictions of N images, each of them one vote.

    A pass votes for its most probable class; of two classes, as everywhere, for the second (the positive)
    from 0.5 on. The entropies are in units of log K, so that they lie between 0 and 1.

    Args:
        passes: Probabilities, 0 to 1, shape (T, N, K) with K classes; the rows are scaled to sum to 1.
        classes: The K class names.

    Returns:
        One row per image, in their order:

        - ``sampled_label`` (str): the class with the most votes; of several, the one with the highest mean probability
          (of two classes with 0.5 each, the second).
        - ``sampled_votes``: its share of the votes, 1 / K to 1 (the confidence score of paper 001, 3.4).
        - ``sampled_prob_<class>``: the mean probability; a row sums to 1.
        - ``sampled_variance``: of the probability of ``sampled_label`` over the passes (divided by T), 0 to 0.25.
        - ``sampled_entropy``: of the mean probabilities, 0 to 1: all uncertainty.
        - ``sampled_mutual_information``: ``sampled_entropy`` less the mean entropy of the passes, 0 to 1: the part of
          it in which the passes differ, that is, what the weights leave open (BALD; Houlsby et al., arXiv:1112.5745).
        - ``sampled_confidence``: the sum of the probability of ``sampled_label`` over the passes that vote for it,
          divided by T, above 0 to 1: votes times probability, as in the product rule of Kittler et al., On combining
          classifiers, IEEE TPAMI 20(3), 1998. Paper 001 (5.3) wishes for such a formula: 100 votes at 0.51 are 0.51.

    Raises:
        ValueError: The array holds what is no probability.
    """
    passes = np.asarray(passes, dtype=np.float64)
    sums = passes.sum(axis=2, keepdims=True)
    if not (np.isfinite(passes).all() and (passes >= 0).all() and np.allclose(sums, 1.0, atol=1e-3)):
        raise ValueError("passes: probabilities from 0 to 1 are needed, whose rows sum to 1")
    passes = passes / sums
    rows = np.arange(passes.shape[1])
    mean = passes.mean(axis=0)
    if len(classes) == 2:
        voted = passes[..., 1] >= 0.5
    else:
        voted = passes.argmax(axis=2)
    votes = np.asarray((voted[..., None] == np.arange(len(classes))).sum(axis=0))
    label = most_voted(votes, mean)
    of_label = passes[:, rows, label]
    share = votes[rows, label] / len(passes)
    entropy = uncertainty_of(mean)
    within = np.mean(list(map(uncertainty_of, passes)), axis=0)
    columns = {
        "label": np.array(classes, dtype=object)[label],
        "votes": share,
        "variance": of_label.var(axis=0),
        "entropy": entropy,
        "mutual_information": np.clip(entropy - within, 0.0, 1.0),
        "confidence": (of_label * (voted == label)).mean(axis=0),
    }
    summary = pd.DataFrame(columns).add_prefix(SAMPLED_PREFIX)
    return summary.join(pd.DataFrame(mean, columns=list(classes)).add_prefix(SAMPLED_PROBABILITY_PREFIX))


def most_voted(votes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the class with the most votes, int64, shape (N,); of several the one with the highest mean probability.

    Of two classes with the same mean it is the second. Votes and means have shape (N, K).
    """
    support = votes + mean / 2  # a mean counts for less than a vote
    if votes.shape[1] == 2:
        return np.asarray((support[:, 1] >= support[:, 0]).astype(np.int64))
    return np.asarray(support.argmax(axis=1))

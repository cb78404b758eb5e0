"""Whether a place is on what is changed, for a guess that sees no image."""

import numpy as np
import pandas as pd

from common.karyotype import CHROMOSOMES


def fixed_place_hits(known: pd.DataFrame, items: pd.DataFrame) -> np.ndarray:
    """Return which items the most frequent place of their chromosome is right for, bool, shape (N,).

    A place is a token of the longer or of the shorter one of the two chromosomes.

    Args:
        known: Rearranged items that tell how frequent each place is, with the columns of ``PairItems.frame``.
        items: Rearranged items, likewise. A chromosome that is not among the known ones of its fold is never right.
    """
    tokens = int(max(frame[["stop_first", "stop_second"]].to_numpy().max(initial=1) for frame in (known, items)))
    of_known, of_items = _groups(known), _groups(items)
    groups = int(max(of_known.max(initial=0), of_items.max(initial=0))) + 1
    frequency = np.zeros((groups, 2 * tokens))
    np.add.at(frequency, of_known, _changed_places(known, tokens))
    guess = frequency.argmax(axis=1)[of_items]
    seen = (frequency.max(axis=1) > 0)[of_items]
    right = _changed_places(items, tokens)[np.arange(len(items)), guess]
    return np.asarray(right & seen)


def _groups(items: pd.DataFrame) -> np.ndarray:
    return np.asarray(items["fold"].to_numpy() * len(CHROMOSOMES) + items["chromosome"].to_numpy())


def _changed_places(items: pd.DataFrame, tokens: int) -> np.ndarray:
    """Return which tokens are changed, those of the longer chromosome first, bool, shape (N, 2 tokens)."""
    start = items[["start_first", "start_second"]].to_numpy()[..., None]
    stop = items[["stop_first", "stop_second"]].to_numpy()[..., None]
    token = np.arange(tokens)
    changed = np.asarray((token >= start) & (token < stop))
    second_longer = items["longer"].to_numpy() == 1
    changed[second_longer] = changed[second_longer][:, ::-1]
    return changed.reshape(len(items), 2 * tokens)

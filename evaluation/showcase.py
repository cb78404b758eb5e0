"""Which test images of a run are worth a look: the surest right, the surest wrong and the doubtful ones."""

import numpy as np

from common.errors import UserError
from common.predictions import Predictions
from evaluation.metrics import call

FEW_CLASSES = 4  # up to here each class has its own images
OF_MANY = 4  # of more classes: how many images of each kind
RIGHT, WRONG, DOUBTFUL = "right", "wrong", "doubtful"
WORDS = {RIGHT: "surest right", WRONG: "surest wrong", DOUBTFUL: "most doubtful"}


def showcase(test: Predictions) -> list[tuple[int, str]]:
    """Choose, of each class, the surest right call, the surest wrong one and the most doubtful.

    Of more than four classes: four of each kind over all classes, of different classes as far as there are.

    Args:
        test: Predictions of one part; rows without a label are left out.

    Returns:
        Row and why it is shown (a word of WORDS), class by class; no row twice.

    Raises:
        UserError: No image has a label.
    """
    if not (test.labels >= 0).any():
        raise UserError("no test image has a label: say --samples, --all or --images")
    many = len(test.classes) > FEW_CLASSES
    chosen: dict[int, str] = {}
    for members in [range(len(test.classes))] if many else [[index] for index in range(len(test.classes))]:
        for which, words in WORDS.items():
            found = [row for row in ranked(test, which) if row not in chosen and test.labels[row] in members]
            chosen |= dict.fromkeys(_of_different_classes(found, test.labels, OF_MANY) if many else found[:1], words)
    return list(chosen.items())


def ranked(test: Predictions, which: str) -> list[int]:
    """Return rows of labelled images: the "right" or "wrong" calls, the surest first, or all, the "doubtful" first."""
    labels, uncertainty = test.labels, test.frame["uncertainty"].to_numpy()
    order = np.argsort(-uncertainty if which == DOUBTFUL else uncertainty, kind="stable")
    fits = labels >= 0
    if which != DOUBTFUL:
        right = call(test.probabilities, test.positive_index) == labels
        fits &= right if which == RIGHT else ~right
    return [int(row) for row in order if fits[row]]


def _of_different_classes(rows: list[int], labels: np.ndarray, count: int) -> list[int]:
    seen: set[int] = set()
    firsts = [row for row in rows if not (labels[row] in seen or seen.add(labels[row]))]
    return [*firsts, *(row for row in rows if row not in firsts)][:count]

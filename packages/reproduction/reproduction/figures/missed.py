"""How many test images exactly k of some networks miss (paper 004, 3.4.1 and figure 33)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.pooling.averaging import align
from karyocyte.runs.predictions import VALIDATION, Predictions

# Those of the paper's four whose predictions are kept, and MobileNetV2 for VGG16, whose weights could not be had.
FOUR = ("scratch_cnn_d256_dropout2", "resnet50_cut_block5", "resnet50_cut_block5_d512", "mobilenetv2_last7")
EVERY = "(every class)"  # "all" is a class of C-NMC


def missed_by(runs: Sequence[Predictions], names: Sequence[str]) -> pd.DataFrame:
    """Count the test images that k of M networks miss, and of those with k = M - 1 which network has them right.

    Returns:
        A row per class, EVERY first, and k from 0 to M: ``true_class``, ``k``, ``images``, ``independent`` (expected
        if the networks erred as often, but independently), and ``only <name>`` of each network.

    Raises:
        UserError: Fewer than two runs, one that is named twice, or other test images.
    """
    aligned = align([run.part("test") for run in runs], names)
    labels = aligned[0].labels
    wrong = np.stack([each.probabilities.argmax(axis=1) != labels for each in aligned])[:, labels >= 0]
    labels = labels[labels >= 0]
    classes = {EVERY: labels >= 0, **{name: labels == index for index, name in enumerate(aligned[0].classes)}}
    return pd.concat(
        [_of_class(wrong[:, of_class], names).assign(true_class=name) for name, of_class in classes.items()],
        ignore_index=True,
    )


def _of_class(wrong: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    missed = wrong.sum(axis=0)
    independent = np.ones(1)
    for rate in wrong.mean(axis=1):
        independent = np.convolve(independent, [1 - rate, rate])
    counts = np.bincount(missed, minlength=len(names) + 1)
    table = pd.DataFrame({"k": range(len(counts)), "images": counts, "independent": independent * len(missed)})
    for name, of_network in zip(names, wrong, strict=True):
        only = pd.Series(pd.NA, table.index, dtype="Int64")
        only[len(names) - 1] = (~of_network & (missed == len(names) - 1)).sum()
        table[f"only {name}"] = only
    return table


def rows_of_missed(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Return ``missed_by`` for FOUR on the paper's split, by seed; of seeds of all four.

    Of several configurations of a network, such as budgets, it is the one with the best weighted F1 on validation.
    """
    best: dict[int, dict[str, Predictions]] = {}
    of_four = [run for run in runs if run.about["protocol"] == "paper" and run.about["name"] in FOUR]
    for run in sorted(of_four, key=lambda run: evaluate(score(run.part(VALIDATION)))["f1_weighted"] or 0.0):
        best.setdefault(int(run.about["seed"]), {})[str(run.about["name"])] = run
    tables = []
    for seed, members in sorted(best.items()):
        if len(members) == len(FOUR):
            tables.append(missed_by([members[name] for name in FOUR], FOUR).assign(seed=seed))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

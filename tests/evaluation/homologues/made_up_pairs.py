"""Predictions and pairs of comparisons of homologues with made-up scores."""

import numpy as np
import pandas as pd

from common.karyotype import CHROMOSOMES
from common.predictions import Predictions
from evaluation.homologues.items import ABNORMAL, CALLED, CALLS, CONTROL, NORMAL, PARTNER
from tests.helpers.predictions import ABOUT

KINDS = (*NORMAL, *ABNORMAL, CONTROL)
SIDES = ("first", "second")


def made_up_run(signal, seed=0, fold=0, cases=20, cells=2, chromosomes=5, validation=8):
    """Return predictions and pairs; scores are normal, those of abnormal pairs higher by ``signal`` of their size.

    The scale and the mean of the scores differ by chromosome.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(validation + cases):
        part = "validation" if case < validation else "test"
        for cell in range(cells):
            for number in range(chromosomes):
                for kind in KINDS:
                    shown = (number + 1) % chromosomes if kind == PARTNER else number
                    rows.append((part, f"case {fold} {case}", f"{case}.{cell}", CHROMOSOMES[shown], kind))
    pairs = pd.DataFrame(rows, columns=["part", "subject", "cell", "chromosome", "kind"])
    count = len(pairs)
    abnormal = pairs["kind"].isin(ABNORMAL).to_numpy()
    size = np.where(abnormal, np.exp(rng.uniform(np.log(0.05), np.log(0.5), count)), 0.0)
    number = pairs["chromosome"].astype(int).to_numpy()
    noise = rng.normal(size=count)
    score = 10 * number + number * (noise + np.array([signal(each) for each in size]) * abnormal)
    pairs = pairs.assign(
        image_id=[f"{fold} {row}" for row in range(count)],
        size=size,
        arm_change=np.where(pairs["kind"] == "pericentric inversion", size / 3, 0.0),
        score=score,
        changed=rng.integers(2, size=count),
        hit=abnormal.astype(float),
        chance=0.3 * abnormal,
        longer=0,
        **{f"{end}_{side}": number * abnormal for end, number in (("start", 2), ("stop", 4)) for side in SIDES},
        hottest=0,
        event=np.arange(count) // len(KINDS),
        place=0.5,
    )
    pairs["first_changed"] = 1.0 - pairs["changed"]
    for name in CALLS:
        pairs[f"prob_{name}"] = (pairs["kind"].map(CALLED) == name).astype(float)
    frame = pairs[["image_id", "part", "subject", "cell", "kind"]].assign(path="", group=pairs["chromosome"])
    frame["label"] = np.where(abnormal, "abnormal", "normal")
    frame["prob_abnormal"] = 1 / (1 + np.exp(-score / 10))
    frame = frame.assign(prob_normal=1 - frame["prob_abnormal"], width=None, height=None, uncertainty=0.5)
    about = {**ABOUT, "name": "homologue_pairs", "source": "chromosomes", "fold": fold}
    return Predictions(frame, ("normal", "abnormal"), "abnormal", about), pairs

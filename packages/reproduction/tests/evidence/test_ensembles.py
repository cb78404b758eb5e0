"""Ensembles of kept networks: who is a member, and what the rows say."""

import pandas as pd

from karyocyte.evaluation.pooling.experiments import group_runs
from reproduction.evidence.ensembles import rows_of_ensembles
from tests.helpers.predictions import make_run


def test_networks_of_equal_test_images_are_members_and_the_one_that_saw_most_is_first():
    runs = []
    for name, seen, seed in (("a", 10, 0), ("b", 30, 0), ("b", 20, 0), ("c", 5, 1)):
        run = make_run(images=60, subjects=12, seed=len(runs))
        run.about.update(name=name, protocol="paper", seed=seed, fold=0, images_seen=seen, config=f"{name}{seen}")
        runs.append(run)
    table = rows_of_ensembles(group_runs(runs, [f"run{number}" for number in range(len(runs))]))
    assert table["name"].str[:1].tolist()[:2] == ["b", "a"]
    assert table["name"].tolist()[2:] == ["average", "genetic"]
    assert set(table["members"]) == {2}
    assert pd.isna(table["minus_first"].iloc[0])
    assert table["minus_first_low"].iloc[1:].notna().all()

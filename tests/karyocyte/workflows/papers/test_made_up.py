"""Each printed figure has the grade that made-up runs of the papers' sizes were made for: same, better or worse."""

from itertools import groupby

import pandas as pd
import pytest

from karyocyte.common.paths import ROOT
from karyocyte.workflows.papers.claims import printed_claims
from karyocyte.workflows.papers.grades import grade_table
from tests.karyocyte.workflows.papers.made_up import write_runs

NETWORKS = ("same", "better", "worse")
FEW = ("karyogram_vgg16_original", "karyogram_inceptionv3_original")  # 30 test images, 9 of them abnormal
BEST = 0.98  # no share is clearly higher than it, even where all images are right
NOT_MADE = ("checkpoints", "sure_when_right", "sure_when_wrong")


def expected(metric, network):
    """Return the grade that a network is made for: a better one has a lower loss."""
    if network == "same":
        return "reproduced"
    return "higher" if (network == "better") is not metric.endswith("loss") else "lower"


def grades(folder, claims, networks=NETWORKS):
    """Return a row for each printed figure of an experiment and each network."""
    tables = []
    for network in networks:
        for section, group in groupby(sorted(claims, key=lambda each: each.section), lambda each: each.section):
            of_section = list(group)
            runs = write_runs(folder / f"{claims[0].experiment} {section} {network}", of_section, network)
            table = grade_table(runs, (claims[0].paper,))
            found = table[(table["experiment"] == claims[0].experiment) & (table["section"] == section)]
            made = found[(found["printed"] != "") & ~found["metric"].isin(NOT_MADE)]
            tables.append(made.assign(network=network))
    table = pd.concat(tables)
    wanted = [expected(*pair) for pair in zip(table["metric"], table["network"], strict=True)]
    grade = table["grade"].str.replace("consistent", "reproduced").str.partition(",")[0]
    return table.assign(as_wanted=grade == wanted)


def experiments():
    """Return the claims that runs can be made for, by experiment."""
    claims = [claim for claim in printed_claims(ROOT / "results") if claim.experiment and claim.printed]
    made = sorted((each for each in claims if each.metric not in NOT_MADE), key=lambda each: each.experiment)
    return {name: list(group) for name, group in groupby(made, lambda each: each.experiment)}


@pytest.mark.parametrize("experiment", ["resnet50_features", "hem_all_cnn_32", "ensemble_genetic"])
def test_every_figure_of_an_experiment_has_the_grade_that_it_was_made_for(tmp_path, experiment):
    claims = experiments()[experiment]
    table = grades(tmp_path, claims, ("same", "worse"))
    assert len(table) == 2 * len(claims)
    assert table["as_wanted"].all(), table[~table["as_wanted"]]


@pytest.mark.slow
def test_every_printed_figure_has_the_grade_that_it_was_made_for(tmp_path):
    """Those that no run can tell are of 30 images, or printed so good that even all right is not clearly better."""
    table = pd.concat(grades(tmp_path, claims) for claims in experiments().values())
    failed = table[~table["as_wanted"]]
    of_few = failed["experiment"].isin(FEW)
    others = failed[~of_few]
    assert set(others["network"]) == {"better"}
    # Paper 001 tests 139 images: there 0.93 is not clearly exceeded either.
    of_more = others[~others["experiment"].str.startswith("karyogram")]
    assert (of_more["printed"].astype(float) >= BEST).all()

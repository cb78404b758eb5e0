"""Each printed figure has the verdict that made-up runs of the papers' sizes were made for: same, better or worse."""

import pandas as pd
import pytest

from karyocyte.common.paths import ROOT
from karyocyte.workflows.papers.claims import printed_claims
from karyocyte.workflows.papers.verdicts import HIGHER, LOWER, REPRODUCED, compared_figures
from tests.karyocyte.workflows.papers.made_up import write_runs

NETWORKS = ("same", "better", "worse")
FEW = ("karyogram_vgg16_original", "karyogram_inceptionv3_original")  # 30 test images, 9 of them abnormal
BEST = 0.98  # no share is clearly higher than it, even where all images are right


def expected(metric, network):
    """Return the verdict that a network is made for: a better one has a lower loss."""
    if network == "same":
        return REPRODUCED
    return HIGHER if (network == "better") is not metric.endswith("loss") else LOWER


def verdicts(folder, claim, networks=NETWORKS):
    """Return a row for each printed figure of a claim and each network."""
    tables = []
    for network in networks:
        for section in dict.fromkeys(figure.section for figure in claim.figures if figure.printed):
            runs = write_runs(folder / f"{claim.experiment} {section} {network}", claim, section, network)
            table = compared_figures(runs, (claim.paper,))
            found = table[(table["experiment"] == claim.experiment) & (table["section"] == section)]
            tables.append(found[found["printed"] != ""].assign(network=network))
    table = pd.concat(tables)
    wanted = [expected(*pair) for pair in zip(table["metric"], table["network"], strict=True)]
    return table.assign(as_wanted=table["verdict"] == wanted)


@pytest.mark.parametrize("experiment", ["resnet50_features", "hem_all_cnn_32", "ensemble_genetic"])
def test_every_figure_of_an_experiment_has_the_verdict_that_it_was_made_for(tmp_path, experiment):
    (claim,) = (each for each in printed_claims(ROOT / "results") if each.experiment == experiment)
    table = verdicts(tmp_path, claim, ("same", "worse"))
    assert len(table) == 2 * len(claim.figures)
    assert table["as_wanted"].all()


@pytest.mark.slow
def test_every_printed_figure_has_the_verdict_that_it_was_made_for(tmp_path):
    """Those that no run can tell are of 30 images, or printed so good that even all right is not clearly better."""
    claims = [claim for claim in printed_claims(ROOT / "results") if claim.figures[0].printed]
    table = pd.concat(verdicts(tmp_path, claim) for claim in claims)
    counts = table.groupby("network")["as_wanted"].agg(["size", "sum"])
    assert counts.T.to_dict("list") == {"same": [216, 207], "better": [216, 171], "worse": [216, 212]}
    failed = table[~table["as_wanted"]]
    of_few = failed["experiment"].isin(FEW)
    others = failed[~of_few]
    assert set(others["network"]) == {"better"}
    assert failed.loc[of_few & (failed["network"] != "better"), "reason"].str.startswith("interval too wide").all()
    # Paper 001 tests 139 images: there 0.93 is not clearly exceeded either, nor can "most" be.
    of_more = others[~others["experiment"].str.startswith("karyogram")]
    assert (of_more["printed"].astype(float) >= BEST).all()

"""The figures that are recomputed from kept predictions follow from them, and from nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from karyocyte.runs.run import Run
from packages.reproduction.tests.evidence.runs import finished_run
from reproduction.evidence.keep import keep
from reproduction.evidence.results import write_all

SPLITS = (("paper", 0), ("subject", 0), ("subject", 1))
NETWORKS = ("resnet50_cut_block5", "resnet50_cut_block5_d512", "scratch_cnn_d256_dropout2")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Keep two folds and the paper's split of two networks, and a third network that calls all alike.

    The first network also has a second seed, and is trained in another way, too.
    """
    folder = tmp_path_factory.mktemp("kept")
    for protocol, fold in SPLITS:
        keep(finished_run(folder, NETWORKS[0], protocol, fold), folder / "evidence")
        keep(finished_run(folder, NETWORKS[1], protocol, fold, skill=0.2), folder / "evidence")
        keep(finished_run(folder, NETWORKS[0], protocol, fold, words=("prepare.size=64",)), folder / "evidence")
    keep(finished_run(folder, NETWORKS[0], "subject", 0, seed=1), folder / "evidence")
    alike = keep(finished_run(folder, NETWORKS[2], "paper"), folder / "evidence")
    run = Run(alike)
    run.predictions.frame[["prob_hem", "prob_all"]] = np.array([0.25, 0.75], np.float16)
    run.write_predictions(run.predictions)
    test = run.predictions.part("test").frame
    inside = test["label"].map({"all": 0.75, "hem": 0.25})
    test[["image_id"]].assign(inside=inside, content=0.5).to_parquet(alike / "heat.parquet")
    return folder / "evidence"


@pytest.fixture(scope="module")
def made(evidence, tmp_path_factory):
    output = tmp_path_factory.mktemp("recomputed")
    write_all(output, evidence)
    return {path.stem: pd.read_csv(path, keep_default_na=False) for path in output.glob("*.csv")}


def test_the_figures_of_a_run_are_those_of_its_predictions(evidence, made):
    (row,) = made["runs"].query("name == @NETWORKS[0] and config == 0 and fold == 1").to_dict("records")

    (folder,) = (evidence / NETWORKS[0]).glob("subject-fold1-00000000/seed=0")
    test = Run(folder).predictions.part("test")
    assert row["auc"] == pytest.approx(roc_auc_score(test.labels, test.probabilities[:, 1]), abs=1e-4)
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    assert (row["images"], row["persons"]) == (60, 12)


def test_a_network_that_calls_all_images_alike_is_counted(made):
    assert set(made["runs"].query("one_class")["name"]) == {NETWORKS[2]}
    assert list(made["networks"].query("name == @NETWORKS[2]")["one_class"]) == ["1 of 1"]


def test_folds_and_seeds_of_a_network_count_together_with_the_spread_of_the_seeds(made):
    (row,) = made["networks"].query("name == @NETWORKS[0] and config == 0 and protocol == 'subject'").to_dict("records")
    assert (row["folds"], row["seeds"]) == ("0 1", "0 1")
    assert float(row["auc_sd_seeds"]) > 0


def test_the_heat_inside_the_cell_is_a_mean_over_images_and_by_class(made):
    means = made["heat"].set_index("metric")["value"].astype(float)

    assert means[["inside, any", "inside, all", "inside, hem", "content, any"]].tolist() == [0.5, 0.75, 0.25, 0.5]
    assert means[["excess, any", "excess, all", "excess, hem"]].tolist() == [0, 0.25, -0.25]


def test_a_network_that_is_trained_in_another_way_is_a_network_of_its_own(made):
    assert set(made["networks"].query("config == 1")["departures"]) == {"64 px instead of 224 px"}
    assert sorted(made["leak"].query("network == @NETWORKS[0] and metric == 'auc'")["config"]) == [0, 1]

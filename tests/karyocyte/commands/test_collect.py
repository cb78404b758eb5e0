"""scripts/sweep_status.py --csv: rows of runs and sweeps, and their costs."""

import pandas as pd
import pytest

from karyocyte.commands.sweep_status import app
from karyocyte.common.files import write_json
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.seeds import seed_means
from karyocyte.runs.predictions import write_predictions
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_run
from tests.helpers.terminal import run_app
from tests.karyocyte.workflows.sweeps.sweep_files import note, write_finished, write_jobs

USAGE = {"wall_seconds": 1800.0, "cpu_seconds": 3600.0, "by_device": {"cpu": 1800.0}}
GPU = {"by_device": {"H100": 7200.0}}
DATA = {"config": {}, "contents": {"data": "d"}}


@pytest.fixture
def write_run(tmp_path):
    """A function that writes a finished run below ``runs``; None for ``usage``: it was not measured."""

    def write_run(
        fold=0, seed=0, usage=USAGE, config="c0ffee00", protocol="subject", identity=DATA, sizes=(60, 12), **about
    ):
        about = {"seed": seed, "config": config, "protocol": protocol, "revision": "abc", "name": "net", **about}
        run = write_finished(tmp_path / f"runs/net/{protocol}-fold{fold}-{config}/seed={seed}")
        write_predictions(run / "predictions.parquet", make_run(fold, *sizes, about=about))
        if usage:
            write_json(run / "usage.json", usage)
        write_json(run / "identity.json", identity)
        Run(run).record()
        return run

    return write_run


@pytest.fixture
def collected(tmp_path):
    """A function that collects runs, by default all; returns the table that is written, and the output."""

    def collected(*words):
        output = run_app(app, *(words or [tmp_path / "runs"]), "--csv", tmp_path / "out.csv").output
        return pd.read_csv(tmp_path / "out.csv"), " ".join(output.split())

    return collected


def test_folds_and_seeds_become_one_row_and_protocols_two(write_run, collected):
    for fold in range(2):
        for seed in range(2):
            write_run(fold, seed)
    write_run(protocol="paper", config="deadbeef")
    table, output = collected()
    table = table.set_index("label")
    assert list(table.index) == ["net, protocol paper", "net, protocol subject"]
    row = table.loc["net, protocol subject"]
    counts = {"folds": "0 1", "seeds": "0 1", "runs": 4, "images": 120, "subjects": 24}
    counts |= {"images_seen": 400, "wall_seconds": 4}
    assert row[list(counts)].to_dict() == counts
    assert row["f1_weighted_low"] < row["f1_weighted"] < row["f1_weighted_high"]
    assert f"{row['auc_low']:.3f}-{row['auc_high']:.3f}" in output


def test_intervals_of_few_subjects_are_those_of_an_evaluation(write_run, collected):
    run = write_run(sizes=(40, 3))
    row = collected()[0].iloc[0]
    mean = seed_means([Run(run).predictions], EvaluationConfig()).metrics["auc"]
    assert row[["auc", "auc_low", "auc_high"]].tolist() == pytest.approx([mean.value, mean.low, mean.high])
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]


def test_costs_add_up_by_kind_of_device_and_are_unknown_where_one_was_not_measured(write_run, collected):
    write_run(0, usage=USAGE)
    write_run(1, usage=USAGE | GPU)
    row = collected()[0].iloc[0]
    assert row[["total_hours", "gpu_hours", "cpu_hours"]].tolist() == [1.0, 2.0, 2.0]
    assert set(row["device"].split(" + ")) == {"cpu", "H100"}
    write_run(2, usage=None)
    assert "total_hours" not in collected()[0]


def test_mixed_revisions_configurations_and_data_are_named(write_run, collected):
    for config, rate, revisions in (("c0ffee00", None, ["abc", "def"]), ("deadbeef", 0.2, ["abc"])):
        for fold, revision in enumerate(revisions):
            identity = {**DATA, "config": {"unfreeze": {"lr": rate}}}
            write_run(fold, config=config, revision=revision, identity=identity)
    table, _ = collected()
    labels = {"net, unfreeze.lr null": "abc def", "net, unfreeze.lr 0.2": "abc"}
    assert table.set_index("label")["revision"].to_dict() == labels
    write_run(2, config="deadbeef", identity={"config": {"unfreeze": {"lr": 0.2}}, "contents": {"data": "other"}})
    assert "net, content of data other, unfreeze.lr 0.2" in set(collected()[0]["label"])


def test_of_a_sweep_what_is_finished_is_collected_and_the_rest_counted(tmp_path, write_run, collected):
    words = [["+experiment=net", f"split.fold={fold}", f"seed={seed}"] for seed in range(2) for fold in range(2)]
    folder, jobs = write_jobs(tmp_path, words, "pair_grid")
    for job, place in zip(jobs, [(0, 0), (1, 0), (0, 1)], strict=False):
        note(folder, job, "finished", write_run(*place))
    table, output = collected("--output-dir", tmp_path, "pair_grid")
    assert table["runs"].tolist() == [3]
    assert "warning: left out, not finished: 1 run" in output
    assert "! net: some seeds lack a fold" in output

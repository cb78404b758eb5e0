"""scripts/collect.py: rows of runs and sweeps, their costs, and what is missing."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from common import cli as console_module
from common.files import write_json, write_text
from common.predictions import write_predictions
from scripts.collect import app
from tests.helpers.predictions import make_run
from tests.helpers.training import run_undrawn, small_config
from tests.workflows.sweeps.sweep_files import note, write_finished, write_jobs

USAGE = {"wall_seconds": 1800.0, "cpu_seconds": 3600.0, "device_seconds": 1800.0, "by_device": {"cpu": 1800.0}}
USAGE |= {"device": "cpu", "processes": 1, "peak_memory_bytes": 2**30, "peak_device_memory_bytes": None, "stretches": 1}
GPU = {"by_device": {"H100": 7200.0}, "device": "H100", "processes": 4, "peak_device_memory_bytes": 3 * 2**30}


def call(*arguments, width=200):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console_module.console, "_width", width)
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result, " ".join(result.output.split())


def write_run(folder, fold=0, seed=0, usage=USAGE, revision="abc", config="c0ffee00", protocol="subject", **facts):
    """Write a finished run; None for ``usage``: it was not measured."""
    about = {"seed": seed, "config": config, "protocol": protocol, "revision": revision, "name": "net", **facts}
    run = folder / f"net/{protocol}-fold{fold}-{config}/seed={seed}"
    write_finished(run, protocol=protocol, fold=fold, seed=seed)
    write_predictions(run / "predictions.parquet", make_run(fold, about=about))
    write_json(run / "environment.json", {"revisions": [revision]})
    if usage:
        write_json(run / "usage.json", usage)
    return run


def collected(*words):
    """What is written, and what is said."""
    result, output = call(*words)
    assert result.exit_code == 0, output
    return pd.read_csv(words[-1] if "--csv" in words else output.rpartition("written to ")[2]), output


def test_folds_and_seeds_become_one_row_and_protocols_two(tmp_path):
    for fold in range(2):
        for seed in range(2):
            write_run(tmp_path / "runs", fold, seed)
    write_run(tmp_path / "runs", protocol="paper", config="deadbeef")
    table, output = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    table = table.set_index("label")
    assert list(table.index) == ["net, paper", "net, subject"]
    row = table.loc["net, subject"]
    assert row[["folds", "seeds", "runs", "failed", "missing", "images", "subjects"]].tolist() == [
        "0 1",
        "0 1",
        4,
        0,
        0,
        120,
        24,
    ]
    assert row[["images_seen", "wall_seconds"]].tolist() == [400, 4]
    assert row["f1_weighted_low_with_seeds"] <= row["f1_weighted_low"] < row["f1_weighted"] < row["f1_weighted_high"]
    assert pd.isna(table.loc["net, paper", "f1_weighted_low_with_seeds"])
    assert "written to" in output


def test_costs_add_up_by_kind_of_device_and_memory_is_the_largest(tmp_path):
    write_run(tmp_path / "runs", 0, usage=USAGE | {"peak_memory_bytes": 5 * 2**30})
    write_run(tmp_path / "runs", 1, usage=USAGE | GPU)
    row = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")[0].iloc[0]
    assert row[["total_hours", "gpu_hours", "cpu_hours"]].tolist() == [1.0, 2.0, 2.0]
    assert row[["peak_memory_gib", "peak_device_memory_gib"]].tolist() == [5.0, 3.0]
    assert set(row["device"].split(" + ")) == {"cpu", "H100"}


def test_a_cost_that_is_not_known_of_every_run_is_unknown_and_not_nothing(tmp_path):
    write_run(tmp_path / "runs", 0)
    write_run(tmp_path / "runs", 1, usage=None)
    table, output = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    assert table[["total_hours", "gpu_hours", "cpu_hours", "peak_memory_gib"]].isna().all(axis=None)
    assert "cost measured of 1 of 2 runs" in output
    assert "unknown" in output


def test_mixed_revisions_and_configurations_are_said(tmp_path):
    write_run(tmp_path / "runs", 0, revision="abc")
    write_run(tmp_path / "runs", 1, revision="def")
    write_run(tmp_path / "runs", 0, config="deadbeef", revision="abc")
    for config, rate in (("c0ffee00", 0.1), ("deadbeef", 0.2)):
        for run in (tmp_path / "runs/net").glob(f"*-{config}/*"):
            write_json(run / "identity.json", {"config": {"unfreeze": {"lr": rate}}, "contents": {"data": "d"}})
    table, output = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    assert sorted(table["label"]) == ["net, unfreeze.lr 0.1", "net, unfreeze.lr 0.2"]
    assert table.set_index("label")["revision"].to_dict() == {
        "net, unfreeze.lr 0.1": "abc def",
        "net, unfreeze.lr 0.2": "abc",
    }
    for said in ("made with revisions abc, def", "one of 2 configurations", "rows are of 2 revisions"):
        assert said in output


def test_other_data_under_the_same_name_is_another_row(tmp_path):
    for fold, content in ((0, "one"), (1, "two")):
        run = write_run(tmp_path / "runs", fold)
        write_json(run / "identity.json", {"config": {}, "contents": {"data": content}})
    table, _ = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    assert sorted(table["label"]) == ["net, content of data one", "net, content of data two"]


def test_the_processes_that_shared_a_run_are_named_where_they_are_not_one(tmp_path):
    worlds = {"a": None, "b": {"count": 2, "sync_batchnorm": False}, "c": {"count": 2, "sync_batchnorm": True}}
    for config, world in worlds.items():
        run = write_run(tmp_path / "runs", config=config)
        identity = {"config": {}, "contents": {"data": "d"}}
        write_json(run / "identity.json", identity if world is None else {**identity, "processes": world})
    table, _ = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    assert sorted(table["label"]) == ["net", "net, 2 processes", "net, 2 processes, sync_batchnorm"]


def test_what_has_not_run_is_named_by_what_tells_it_from_the_others(tmp_path):
    words = [[f"model={model}", "data.size=48", f"split.fold={fold}"] for model in "abc" for fold in range(2)]
    folder, jobs = write_jobs(tmp_path, words, "grid")
    for job in jobs[:2]:
        note(folder, job, "finished", write_run(tmp_path / "runs", jobs.index(job), name="custom"))
    table, _ = collected(folder, "--csv", tmp_path / "out.csv")
    assert table["label"].tolist() == ["custom", "custom, model b", "custom, model c"]
    assert table["missing"].tolist() == [0, 2, 2]


def test_folds_that_a_seed_lacks_are_said(tmp_path):
    for fold, seed in ((0, 0), (1, 0), (0, 1)):
        write_run(tmp_path / "runs", fold, seed)
    assert "seed 1 lacks fold 1, the mean is over the runs that are there" in call(tmp_path / "runs")[1]


@pytest.fixture
def sweep(tmp_path):
    """Two experiments of two folds: of the first both folds are there, and a third failed; of the second none is."""
    words = [[f"+experiment={name}", f"split.fold={fold}", "seed=0"] for name in ("net", "other") for fold in range(3)]
    folder, jobs = write_jobs(tmp_path, words, "pair_grid")
    for fold in range(2):
        note(folder, jobs[fold], "finished", write_run(tmp_path / "runs", fold))
    note(folder, jobs[2], "failed", error="ValueError: no")
    note(folder, jobs[3], "failed", error="ValueError: no")
    note(folder, jobs[4], "interrupted")
    return folder


def test_of_a_sweep_what_failed_or_is_missing_is_counted(sweep, tmp_path):
    table, output = collected("--output-dir", tmp_path, "pair_grid")
    assert (sweep / "table.csv").is_file()
    table = table.set_index("label")
    assert table.loc["net", ["runs", "failed", "missing"]].tolist() == [2, 1, 0]
    assert table.loc["other", ["runs", "failed", "missing"]].tolist() == [0, 1, 2]
    assert table.loc["other", ["f1_weighted", "images", "total_hours"]].isna().all()
    for said in ("2 of 3", "0 of 3", "1 failed, 1 interrupted, 1 waiting, not in the means"):
        assert said in output


def test_a_row_per_run(sweep, tmp_path):
    table, output = collected("--output-dir", tmp_path, "--runs")
    assert (sweep / "runs.csv").is_file()
    assert table["state"].tolist() == ["finished", "finished", "failed", "failed", "interrupted", "waiting"]
    assert table["fold"].tolist() == [0, 1, 2, 0, 1, 2]
    assert table.loc[0, ["f1_weighted", "f1_weighted_low", "f1_weighted_high"]].tolist() == [0.9, 0.85, 0.94]
    assert table.loc[0, ["total_hours", "gpu_hours", "revision"]].tolist() == [0.5, 0.0, "abc"]
    assert table.loc[2, "error"] == "ValueError: no"
    assert "0.850 to 0.940" in output


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_fits_the_terminal(sweep, width):
    result, output = call(sweep, width=width)
    assert ("auc" in output) == (width > 60)
    assert max(map(len, result.output.splitlines()[:-1])) <= width  # the last one is a path
    assert ("accuracy" in output) == (width == 160)


def test_an_unfinished_run_goes_to_the_row_of_its_configuration(tmp_path):
    from common.files import sha256_of_value

    identity = {"config": {"lr": 1}, "contents": {"data": "d", "weights": None}}
    config = sha256_of_value([identity["config"], None])[:8]
    done = write_run(tmp_path / "runs", 0, config=config)
    broken = write_run(tmp_path / "runs", 1, config=config)
    for run in (done, broken):
        write_json(run / "identity.json", identity)
    (broken / "predictions.parquet").unlink()
    write_json(broken / "status.json", {"status": "failed", "error": "ValueError: no"})
    table, _ = collected(tmp_path / "runs", "--csv", tmp_path / "out.csv")
    assert table[["label", "runs", "failed"]].to_numpy().tolist() == [["net", 1, 1]]


def test_the_same_fold_and_seed_twice_is_refused(tmp_path):
    for place in ("one", "two"):
        write_run(tmp_path / place)
    result, output = call(tmp_path / "one", tmp_path / "two")
    assert result.exit_code == 1
    assert "are of the same fold and seed: name one of them" in output


def test_a_file_of_something_else_is_not_overwritten(sweep, tmp_path):
    path = tmp_path / "results" / "pair_grid.csv"
    write_text(path, "label,experiment,metric,value\n")
    result, output = call(sweep, "--csv", path)
    assert result.exit_code == 1
    assert str(path) in "".join(result.output.split("\n"))
    assert path.read_text().startswith("label,experiment,metric")
    for _ in range(2):  # its own table is written anew
        assert call(sweep, "--csv", tmp_path / "other.csv")[0].exit_code == 0


def test_a_real_run_is_collected_with_its_costs(tmp_path):
    run = run_undrawn(small_config(tmp_path, "model=resnet18", "model.cut=layer2", "unfreeze=head_only"))
    table, output = collected(run, "--csv", tmp_path / "out.csv")
    row = table.iloc[0]
    assert row[["experiment", "protocol", "runs", "device", "gpu_hours"]].tolist() == [
        "custom",
        "subject",
        1,
        "cpu",
        0.0,
    ]
    assert 0 < row["total_hours"] < 0.1
    assert row["cpu_hours"] > 0
    assert row["peak_memory_gib"] > 0.05
    assert "unknown" not in output

"""scripts/sweep_status.py: the table, what it is asked for, and how it ends."""

import pandas as pd
import pytest

from common.files import write_json
from scripts.sweep_status import app
from tests.workflows.sweeps.sweep_files import (
    age,
    call_app,
    grid,
    here,
    note,
    write_finished,
    write_jobs,
    write_progress,
)
from workflows.sweeps import status_table
from workflows.sweeps.status_table import duration


def call(*arguments, width=200):
    return call_app(app, *arguments, width=width)


@pytest.fixture
def sweep(tmp_path):
    """Six jobs: finished, running, failed, lost and two that wait."""
    words = [[f"+experiment={net}", "data=synthetic", f"split.fold={fold}"] for net in "ab" for fold in range(3)]
    folder, jobs = write_jobs(tmp_path, words, "cnmc_grid")
    note(folder, jobs[0], "finished", write_finished(tmp_path / "run0"))
    write_progress(tmp_path / "run1")
    note(folder, jobs[1], "running", tmp_path / "run1", slurm_job="12_1", attempts=2)
    note(folder, jobs[2], "failed", error="ValueError: in [red] the middle\nand the last line")
    note(folder, jobs[3], "running", tmp_path / "run3", host="node9")
    age(folder / "jobs" / f"{jobs[3].key}.json", 1200)
    (tmp_path / "empty").mkdir()
    return folder


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_has_the_status_of_each_job(sweep, tmp_path, width):
    result, output = call("--output-dir", tmp_path, width=width)
    assert result.exit_code == 1  # something failed
    assert max(map(len, result.output.splitlines())) <= width
    for words in (
        *("0.900 (0.850 to 0.940)", "finetune (2/2) epoch 3/10", "val/auc", "min left", "and the last line"),
        *("failed: a, fold 2: and the last line", "lost: b, fold 0: no sign of life since", "(20 min) on node9"),
        *("1 finished", "1 running", "2 waiting", "1 failed", "1 lost", "6 jobs"),
    ):
        assert words in output
    assert "middle" not in output
    assert "synthetic" not in output  # all share it
    assert "node7 job 12_1 try 2" in output


@pytest.mark.parametrize("width", [80, 200])
def test_a_running_job_of_this_machine_shows_its_gpus(tmp_path, width):
    folder, jobs = write_jobs(tmp_path, grid(4))
    note(folder, jobs[0], "running", gpus="2,3")
    note(folder, jobs[1], "running", gpus="MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde")
    note(folder, jobs[2], "failed", gpus="7", error="a mistake")  # it has none any more
    output = call(folder, "--csv", tmp_path / "out.csv", width=width)[1]
    assert "GPU" in output
    assert "2,3" in output
    assert "MIG-7089d0f3 " in output
    assert pd.read_csv(tmp_path / "out.csv")["gpus"].tolist()[:2] == ["2,3", "MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde"]
    note(folder, jobs[0], "running", gpus="2,3", slurm_job="12_1")  # Slurm counts a job's GPUs from 0, always
    note(folder, jobs[1], "running")
    assert "2,3" not in call(folder, width=width)[1]


def test_of_the_failed_the_whole_error_is_shown(sweep, tmp_path):
    result, output = call("--output-dir", tmp_path, "cnmc_grid", "--failed")
    assert result.exit_code == 1
    assert "ValueError: in [red] the middle and the last line" in output
    assert "0.900" not in output
    assert "1 finished" in output


def test_the_csv_has_every_job_and_column(sweep, tmp_path):
    call(sweep, "--csv", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["state"].tolist() == ["finished", "running", "failed", "lost", "waiting", "waiting"]
    assert table["fold"].tolist() == [0, 1, 2, 0, 1, 2]
    assert table.loc[0, ["f1_weighted", "f1_weighted_low", "f1_weighted_high"]].tolist() == [0.9, 0.85, 0.94]
    progress = {"stage": 2, "stages": 2, "epoch": 3, "epochs": 10, "step": 25, "images_seen": 4000}
    assert table.loc[1, list(progress)].to_dict() == progress
    assert table.loc[2, "error"].startswith("ValueError")


def test_runs_are_named_by_folder_pattern_or_what_holds_them(tmp_path):
    for seed in (0, 1):
        write_finished(tmp_path / "net" / "subject-fold0-0a1b2c3d" / f"seed={seed}", seed=seed)
    for words in ([tmp_path / "net"], [tmp_path / "net/*/seed=*"], sorted((tmp_path / "net").glob("*/*"))):
        result, output = call(*words)
        assert result.exit_code == 0
        assert "2 jobs: 2 finished" in output
        assert "0a1b2c3d" not in output  # the seed tells them apart


def test_the_newest_of_several_sweeps_is_shown(tmp_path):
    old, _ = write_jobs(tmp_path, grid(2))
    new, _ = write_jobs(tmp_path, grid(3))
    age(old, 100)
    for words in ([], ["grid"]):
        assert new.name in call("--output-dir", tmp_path, *words)[1]
    assert old.name in call("--output-dir", tmp_path, old.name)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cnmc_gird"], "cnmc_gird is neither a folder nor a sweep's name: name a sweep, its folder, or run folders"),
        (["cnmc_gird"], "are called cnmc_grid"),
        (["{}/sweeps/cnmc_grid-*", "{}/run0"], "is a sweep and not named alone"),
        (["{}/empty"], "is no run and holds none"),
        (["--output-dir", "{}/empty"], "no sweep below"),
    ],
)
def test_what_is_not_there_is_an_error_of_one_line(sweep, tmp_path, words, message):
    result, output = call("--output-dir", tmp_path, *(word.format(tmp_path) for word in words))
    assert result.exit_code == 1
    assert message in output
    assert output.count("error:") == 1


def test_watching_ends_by_itself_when_all_is_done(tmp_path, monkeypatch):
    folder, jobs = write_jobs(tmp_path, grid(1))
    note(folder, jobs[0], "running", **here())
    waits = []

    def finish(seconds):
        waits.append(seconds)
        note(folder, jobs[0], "finished", write_finished(tmp_path / "run"))

    monkeypatch.setattr(status_table.time, "sleep", finish)
    result, output = call(folder, "--watch", "0.2")
    assert (result.exit_code, waits) == (0, [0.2])
    assert "1 finished" in output


def test_a_large_sweep_fits_the_screen_while_it_is_watched(tmp_path):
    folder, jobs = write_jobs(tmp_path, grid(200))
    for job in jobs[:-1]:
        write_json(folder / "jobs" / f"{job.key}.json", {"key": job.key, "status": "finished", "kind": "search"})
    note(folder, jobs[-1], "failed", error="ValueError: the one")
    result, output = call(folder, "--watch", "1")
    assert result.exit_code == 1
    assert len(result.output.splitlines()) < 40
    assert "the one" in output
    assert "and 1" in output


def test_a_sweep_without_jobs_is_an_empty_table(tmp_path):
    result, output = call(write_jobs(tmp_path, [])[0])
    assert result.exit_code == 0
    assert "0 jobs" in output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3570, "1 h 00 min"), (11100, "3 h 05 min"), (187200, "2 d 4 h")],
)
def test_durations_have_the_units_of_people(seconds, text):
    assert duration(seconds) == text

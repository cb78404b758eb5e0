"""scripts/sweep_status.py: the table, what it is asked for, and how it ends."""

import os

from karyocyte.commands.sweep_status import app
from tests.helpers.terminal import run_app
from tests.karyocyte.workflows.sweeps.sweep_files import (
    grid,
    here,
    note,
    note_long_ago,
    write_finished,
    write_jobs,
    write_progress,
)


def call(*arguments, code=0):
    return " ".join(run_app(app, *arguments, code=code).output.split())


def test_the_table_has_the_status_of_each_job(tmp_path):
    """Of seven jobs: finished, running, failed, silent, preempted, lost and one that Slurm does not have."""
    folder, jobs = write_jobs(tmp_path, [["data=synthetic", f"split.fold={fold}"] for fold in range(7)], "cnmc_grid")
    note(folder, jobs[0], "finished", write_finished(tmp_path / "run0"))
    note(folder, jobs[1], "running", write_progress(tmp_path / "run1"))
    note(
        folder, jobs[2], "failed", error=f"ValueError: in [red] the middle\nand the last line{50 * ' of text'}: remedy"
    )
    note_long_ago(folder, jobs[3])
    note(folder, jobs[4], "preempted")
    note(folder, jobs[5], "lost", error="its node is gone")
    output = call("--output-dir", tmp_path, code=1)  # something failed
    for words in (
        "weighted F1 0.900 (0.850 to 0.940) 0:10:00",
        "finetune (2/2) epoch 3/10, val/auc 0.912",
        f"failed: split.fold=2: and the last line{50 * ' of text'}: remedy",
        "lost: split.fold=3: no sign of life",
        "lost: split.fold=5: its node is gone",
        "7 jobs: 1 finished, 1 running, 1 failed, 2 lost, 1 preempted, 1 not submitted",
    ):
        assert words in output
    assert "middle" not in output
    assert "synthetic" not in output  # all share it


def test_states_and_times_are_never_folded_in_80_columns(tmp_path):
    typed = ["+experiment=resnet50_cut_block5_d512_features", "protocol=subject"]
    folder, jobs = write_jobs(tmp_path, [[*typed, "seed=0"], ["+experiment=demo"]])
    note(folder, jobs[0], "running", write_progress(tmp_path / "run"), **here())
    note(folder, jobs[1], "interrupted")
    lines = run_app(app, folder).output.splitlines()
    assert max(map(len, lines)) <= 80
    table = "\n".join(lines[1:])
    assert all(words in table for words in (" running ", " interrupted ", "0:10:00"))


def test_the_newest_of_several_sweeps_is_shown(tmp_path):
    old, _ = write_jobs(tmp_path, grid(2))
    new, _ = write_jobs(tmp_path, grid(3))
    os.utime(old / "sweep.json", (0, 0))
    for words in ([], ["grid"]):
        assert new.name in call("--output-dir", tmp_path, *words)
    for words in ([old.name], [old]):
        assert old.name in call("--output-dir", tmp_path, *words)

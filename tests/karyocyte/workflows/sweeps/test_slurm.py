"""Batch scripts, run by bash with a stand-in for srun, and Slurm's commands, played by small scripts.

The real ones are tried in tests/cluster.
"""

import os
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from karyocyte.common.errors import UserError
from karyocyte.config.cluster import SlurmConfig
from karyocyte.workflows.sweeps.slurm import batch_script, check_slurm, queued_jobs, sbatch_options, submit

SRUN = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\n"$@"\n'
SHOW = ("bash", "-c", "printf '%s\\0' \"$@\"", "show")  # a program that prints its arguments
CLUSTER = SlurmConfig(name="slurm")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Let a command print a text and end with a code."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def play(name: str, text: str = "", code: int = 0) -> None:
        script = tmp_path / name
        stream = "sys.stderr" if code else "sys.stdout"
        script.write_text(f"#!{sys.executable}\nimport sys\nprint({text!r}, file={stream})\nraise SystemExit({code})\n")
        script.chmod(0o755)

    return play


def test_a_machine_without_slurm_is_refused_and_the_missing_command_named(slurm):
    slurm("sbatch")
    with pytest.raises(UserError, match="there is no srun on this machine"):
        check_slurm()
    slurm("srun")
    slurm("squeue", code=1)
    with pytest.raises(UserError, match="controller does not answer"):  # before the jobs are composed
        check_slurm()
    slurm("squeue")
    check_slurm()


def test_the_queue_is_read_by_id_and_a_silent_controller_is_not_an_empty_queue(slurm):
    slurm("squeue", "12_0|RUNNING|None\n12_1|PENDING|requeued held\n13|PENDING|Priority")
    assert queued_jobs() == {"12_0": "RUNNING", "12_1": "HELD", "13": "PENDING"}
    slurm("squeue", code=1)
    assert queued_jobs() is None


def test_a_submission_keeps_the_lists_of_earlier_ones_and_a_refusal_is_one_line(slurm, tmp_path):
    slurm("sbatch", "12;cluster")
    for _ in range(2):
        assert submit(CLUSTER, [["a"], ["b"]], tmp_path / "sweep") == "12"
    slurm("sbatch", "sbatch: error: invalid partition\nsbatch: error: Batch job submission failed: Nowhere", code=1)
    words = "see the keys of cluster, .*: sbatch: error: invalid partition; sbatch: error: .*Nowhere$"
    with pytest.raises(UserError, match=words):
        submit(CLUSTER, [["a"]], tmp_path / "sweep")
    files = {path.name for path in (tmp_path / "sweep" / "slurm").iterdir()}
    assert files == {"1.sbatch", "1.jobs", "2.sbatch", "2.jobs"}
    with pytest.raises(UserError, match="line break"):
        submit(CLUSTER, [["a=1\nb"]], tmp_path / "sweep")


def run(folder, jobs, member, monkeypatch):
    """Submit jobs and run a member of their array; return the words that its program was given."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name, text in {"srun": SRUN, "sbatch": "#!/bin/bash\necho 1\n"}.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    submit(CLUSTER, [(*SHOW, *job) for job in jobs], folder / "sweep")
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(member)}
    script = folder / "sweep" / "slurm" / "1.sbatch"
    done = subprocess.run(["bash", script], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


# Whatever an argument can hold, line breaks aside: they have an error of their own.
WORDS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=15)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=3), st.data())
@example(
    [["+experiment=a", "data_dir='/my data/x=1'", 'a={b: [1, "c d"]}', "$HOME", "`id`", "!!", "\\", "*", ""]], None
)
def test_bash_gives_back_the_very_words(tmp_path_factory, jobs, data):
    member = data.draw(st.integers(0, len(jobs) - 1)) if data else 0
    with pytest.MonkeyPatch.context() as patch:
        assert run(tmp_path_factory.mktemp("a folder's"), jobs, member, patch) == jobs[member]


def test_a_member_beyond_the_list_fails(tmp_path, monkeypatch):
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, [["seed=0"]], 7, monkeypatch)


def test_the_keys_of_the_cluster_become_options_of_sbatch(tmp_path):
    keys = {"partition": "gpu", "qos": "long", "gpus_per_node": 4, "mem_gb": 1.5, "signal_delay_s": 90, "nodes": 2}
    more = {"mail_type": "FAIL", "comment": "two words", "exclusive": True, "overcommit": False}
    cluster = SlurmConfig(name="slurm", tasks_per_node=4, additional_parameters=more, **keys)
    expected = "job-name=sweep partition=gpu qos=long nodes=2 gpus-per-node=4 ntasks-per-node=4"
    expected += " cpus-per-task=4 mem=1536M time=240 array=0-4%64 requeue open-mode=append"
    expected += " signal=USR1@90 mail-type=FAIL exclusive"
    options = {f"--{option}" for option in expected.split()}
    options |= {'--comment="two words"', f"--output={tmp_path}/100%%/sweep/slurm/%A_%a.log"}
    assert set(sbatch_options(cluster, 5, tmp_path / "100%" / "sweep")) == options
    with pytest.raises(UserError, match="takes no quotes"):
        batch_script(SlurmConfig(name="slurm", partition='a"b'), 1, tmp_path, tmp_path / "1.jobs")

"""scripts/dev_cluster.sh: a Slurm that really schedules, preempts and queues again, and leaves nothing behind."""

import subprocess

from tests.cluster.slurm import script, wait_for


def test_without_a_cluster_it_says_how_to_start_one(tmp_path):
    status = script("status", folder=tmp_path / "none")
    assert status.returncode == 1
    assert "not up: scripts/dev_cluster.sh start" in status.stdout
    env = script("env", folder=tmp_path / "none")
    assert (env.returncode, env.stdout, len(env.stderr.splitlines())) == (1, "", 1)


def test_a_step_runs_on_both_nodes_and_names_resolve(cluster):
    asked = "echo $SLURMD_NODENAME $SLURM_PROCID $(getent hosts $SLURMD_NODENAME | head -n 1 | cut -d ' ' -f 1)"
    printed = cluster.call("srun", "--nodes=2", "--ntasks-per-node=1", "bash", "-c", asked)
    assert sorted(printed.splitlines()) == ["karyo1 0 127.0.0.1", "karyo2 1 127.0.0.1"]


def test_gpus_are_granted_as_far_as_there_are_any(cluster):
    assert cluster.call("srun", "--gpus-per-node=2", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1"
    command = ["sbatch", "--gpus-per-node=3", "--wrap=true"]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "not available" in done.stderr


def test_a_member_of_an_array_is_queued_again_alone(cluster, tmp_path):
    command = f"echo x >> {tmp_path}/$SLURM_ARRAY_TASK_ID; test $SLURM_RESTART_COUNT || sleep 300"
    job = cluster.submit("--array=0-1", command=command)
    try:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "both members to start")
        cluster.call("scontrol", "requeue", f"{job}_0")
        wait_for(lambda: (tmp_path / "0").read_text() == "x\nx\n", "the requeued member")
        assert (tmp_path / "1").read_text() == "x\n"
        assert cluster.state(f"{job}_1") == "RUNNING"
    finally:
        cluster.call("scancel", job)

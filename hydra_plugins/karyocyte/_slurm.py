"""On a Slurm cluster, through submitit: an array for jobs of the same needs, a member for each job."""

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any

import submitit
from hydra.core.singleton import Singleton
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import OmegaConf

from common.cli import console, say, warn
from common.config.cluster import SlurmConfig, check_cluster
from common.errors import UserError
from common.files import write_json
from common.sweeps import records as sweeps
from hydra_plugins.karyocyte._tasks import INTERRUPTED, Context, Task

SUBMITTED = "slurm.json"
HOW = ("cluster", "trainer", "experiment", "profile")  # keys that may say what a job asks of the cluster
UNFIT = '"\\%\r\n'  # signs that sbatch or submitit read as something else
LOOKS = 3  # so often a job must be missing from the queue before it counts as gone: files of a network come late


class SlurmBackend:
    """Submits what is left, waits for it, and takes up the jobs of an earlier call that are still in the queue."""

    def __init__(self, settings: SlurmConfig, context: Context) -> None:
        self.settings = settings
        self.context = context
        self._settings_of = cache(self._compose)  # composing takes a sixth of a second, and many jobs share it

    def _compose(self, overrides: tuple[str, ...]) -> SlurmConfig:
        """What jobs with these overrides ask of the cluster."""
        composed = self.context.hydra.config_loader.load_sweep_config(self.context.config, list(overrides))
        found = check_cluster(OmegaConf.to_container(composed.cluster, resolve=True))
        assert isinstance(found, SlurmConfig)
        return found

    def check(self) -> None:
        """Refuse a machine without Slurm."""
        check_slurm()

    def run(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Submit the tasks that are not in the queue, and wait for all of them."""
        _check_path(folder)
        submitted = _read(folder)
        alive = queued()
        if alive is None:
            raise UserError("Slurm's controller does not answer (squeue): ask the cluster's people, or try again later")
        adopted = [task for task in tasks if submitted.get(task.job.key) in alive and not _ended(folder, task)]
        if adopted:
            say(f"{len(adopted)} jobs are in the queue already: waiting for them")
        groups = self._groups([task for task in tasks if task not in adopted])
        known = {task.job.key for task in adopted}
        try:
            for settings, group in groups:
                with undisturbed():  # jobs that nobody knows of would be submitted again
                    submitted |= self._submit(folder, settings, group)
                    write_json(folder / SUBMITTED, submitted)
                    known |= {task.job.key for task in group}
            self._wait(folder, tasks, {task.job.key: submitted[task.job.key] for task in tasks})
        except KeyboardInterrupt:
            arrays = sorted({submitted[key].partition("_")[0] for key in known})
            if not arrays:
                raise
            end = f"`scancel {' '.join(arrays)}` ends them, the same command waits for them again"
            warn(f"the jobs go on without this command: {end}")
            raise SystemExit(INTERRUPTED) from None

    def _groups(self, tasks: Sequence[Task]) -> list[tuple[SlurmConfig, list[Task]]]:
        """Tasks of the same needs, which share an array, with what they ask of the cluster."""
        groups: dict[str, tuple[SlurmConfig, list[Task]]] = {}
        for task in tasks:
            settings = self._settings_of(tuple(word for word in task.overrides if _says_how(word)))
            groups.setdefault(repr(settings), (settings, []))[1].append(task)
        return list(groups.values())

    def _submit(self, folder: Path, settings: SlurmConfig, tasks: Sequence[Task]) -> dict[str, str]:
        """Submit tasks of the same needs; return the Slurm id of each job by its key."""
        # All in one folder, which is there before any job begins: Slurm cannot make one for its logs.
        executor = submitit.AutoExecutor(folder=folder / "slurm", cluster="slurm")
        others = set((folder / "slurm").glob("*.pkl"))
        packs = [tasks[first : first + settings.pack] for first in range(0, len(tasks), settings.pack)]
        calls = [[self._arguments(task) for task in pack] for pack in packs]
        for task in tasks:  # an older failure is not how this attempt ends
            about = {"status": "waiting", "error": None, "overrides": list(task.job.overrides)}
            sweeps.write_record(folder, task.job.key, **about)
        said = io.StringIO()
        try:
            with redirect_stderr(said):  # what sbatch says of an error is told below
                executor.update_parameters(**_parameters(settings, folder.name))
                jobs = executor.map_array(self._caller(), calls)
        except (submitit.core.utils.FailedJobError, ValueError) as error:
            for pickled in {*(folder / "slurm").glob("*.pkl")} - others:  # of jobs that there are not
                pickled.unlink()
            raise explain_refusal(str(error), settings) from error
        sys.stderr.write(said.getvalue())
        each = {task.job.key: job.job_id for pack, job in zip(packs, jobs, strict=True) for task in pack}
        say(f"submitted {len(tasks)} jobs as {jobs[0].job_id.partition('_')[0]}")
        return each

    @staticmethod
    def _arguments(task: Task) -> tuple[Any, ...]:
        return list(task.overrides), "hydra.sweep.dir", task.number, f"job_{task.number}", Singleton.get_state()

    def _caller(self) -> "PackedCall":
        context = self.context
        call = SlurmLauncher()
        call.setup(hydra_context=context.hydra, task_function=context.function, config=context.config)
        return PackedCall(call)

    def _wait(self, folder: Path, tasks: Sequence[Task], submitted: dict[str, str]) -> None:
        """Return when none of the tasks is in the queue any more, or has a result."""
        left = {task.job.key: task for task in tasks}
        missing = dict.fromkeys(submitted, 0)
        silent = False
        with console.status(f"waiting for {len(left)} jobs") as status:
            while left:
                time.sleep(self.settings.poll_seconds)
                alive = queued()
                if alive is None:
                    if not silent:
                        warn("Slurm's controller does not answer: waiting for it")
                    silent = True
                    continue
                silent = False
                _free_held(folder, left, submitted, alive)
                for key in list(left):
                    missing[key] = 0 if submitted[key] in alive else missing[key] + 1
                    if missing[key] >= LOOKS or _has_result(folder, key, missing[key]):
                        _conclude(folder, left.pop(key), submitted[key])
                status.update(_standing(alive, submitted, left))


class PackedCall:
    """What a Slurm job calls: of several packed jobs, each task of the Slurm job runs another.

    Args:
        call: submitit's launcher for one job, of Hydra's plugin.
    """

    def __init__(self, call: Any) -> None:
        self.call = call

    def __call__(self, jobs: Sequence[tuple[Any, ...]]) -> None:
        """Run the one job, or the one of this task."""
        if len(jobs) == 1:
            mine = jobs[0]
        else:
            number = int(os.environ["SLURM_PROCID"])
            if number >= len(jobs):  # the last pack need not be full
                return
            mine = jobs[number]
        self.call(*mine)


def _read(folder: Path) -> dict[str, str]:
    """The Slurm id of each job that was submitted, by its key."""
    path = folder / SUBMITTED
    try:
        if path.is_file():
            return json.loads(path.read_text())
        return {}
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} cannot be read ({error}): remove it, once none of the sweep's jobs is in the queue "
            f"(squeue --me --name={folder.name})"
        ) from error


def _check_path(folder: Path) -> None:
    found = [sign for sign in UNFIT if sign in str(folder)]
    if found:
        raise UserError(f"output_dir: Slurm takes no {found[0]!r} in the path of its logs, {folder}: choose another")


def _ended(folder: Path, task: Task) -> bool:
    """Whether a job has ended that is still in the queue: a moment later it will have left."""
    return sweeps.read_record(folder, task.job.key)["status"] in sweeps.ENDED


def _says_how(word: str) -> bool:
    return word.lstrip("+~").split("=")[0].partition(".")[0] in HOW


def _parameters(settings: SlurmConfig, name: str) -> dict[str, Any]:
    """The parameters of submitit's executor; what is not said stays the cluster's default."""
    if settings.pack > 1:
        tasks = settings.pack
    else:
        tasks = settings.tasks_per_node
    common = {
        "name": name,
        "timeout_min": settings.timeout_min,
        "nodes": settings.nodes,
        "tasks_per_node": tasks,
        "gpus_per_node": settings.gpus_per_node,
        "cpus_per_task": settings.cpus_per_task,
        "mem_gb": settings.mem_gb,
    }
    # The processes of one run end together; packed runs have nothing to do with one another.
    srun = [f"--kill-on-bad-exit={int(settings.pack == 1)}", "--open-mode=append"]
    # Since Slurm 22.05 srun does not take this over from sbatch.
    srun += [f"--cpus-per-task={settings.cpus_per_task}"] if settings.cpus_per_task else []
    # The environment may be lost where a cluster exports nothing.
    told = [f"export {key}={shlex.quote(os.environ[key])}" for key in (sweeps.VARIABLE, "PYTHONPATH")]
    own = {
        "slurm_partition": settings.partition,
        "slurm_account": settings.account,
        "slurm_qos": settings.qos,
        "slurm_constraint": settings.constraint,
        "slurm_exclude": settings.exclude,
        "slurm_array_parallelism": settings.array_parallelism,
        "slurm_signal_delay_s": settings.signal_delay_s,
        "slurm_setup": [*told, *settings.setup],
        "slurm_srun_args": srun,
        "slurm_additional_parameters": {"requeue": True, **settings.additional_parameters},
    }
    return {key: value for key, value in {**common, **own}.items() if value is not None}


def _free_held(folder: Path, left: Iterable[str], submitted: dict[str, str], alive: dict[str, str]) -> None:
    """Release jobs that Slurm has put aside, which happens when its controller is restarted while they begin.

    One that has ended all the same is taken out of the queue.
    """
    for key in left:
        if alive.get(submitted[key]) == HELD:
            ended = sweeps.read_record(folder, key)["status"] in sweeps.ENDED
            (cancel if ended else release)(submitted[key])


def _has_result(folder: Path, key: str, missing: int) -> bool:
    """Whether the job has left its record, and the queue."""
    return missing > 0 and sweeps.read_record(folder, key)["status"] in sweeps.ENDED


def _conclude(folder: Path, task: Task, slurm_id: str) -> None:
    """Say how a job that has left the queue has ended, where its process could not."""
    key = task.job.key
    log = folder / "slurm" / f"{slurm_id}_0_log.err"
    record = sweeps.read_record(folder, key)
    if record["status"] in ("waiting", "lost") or (record["status"] == "failed" and not record.get("error")):
        error = f"it left the queue before it began: cancelled, or it could not start, see {log}"
        sweeps.write_record(folder, key, status="failed", error=error, overrides=list(task.job.overrides))
    elif record["status"] in ("preempted", "interrupted"):  # else it would be in the queue again
        sweeps.write_record(
            folder,
            key,
            status="failed",
            error="cancelled, or cluster.timeout_min is too short: the same command goes on",
        )
    status = sweeps.read_record(folder, key)["status"]
    if status in sweeps.ENDED:  # else the launcher tells of it
        console.print(f"{status}: {task.name}", markup=False, soft_wrap=True)


def _standing(alive: dict[str, str], submitted: dict[str, str], left: Iterable[str]) -> str:
    states = [alive.get(submitted[key], "ending").lower() for key in left]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    return f"waiting for {len(states)} jobs: {', '.join(counts)}"


HELD = "HELD"
PATIENCE = 60  # seconds to wait for Slurm's answer
# The key that a word of sbatch's is about; the first one that is found counts ("account or account/partition").
ABOUT = {
    "account": "account",
    "qos": "qos",
    "partition": "partition",
    "feature": "constraint",
    "node name": "exclude",
    "time limit": "timeout_min",
    "option": "additional_parameters",
}


def check_slurm() -> None:
    """Refuse a machine without Slurm.

    Raises:
        UserError: sbatch, srun or squeue is not on the PATH.
    """
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"+cluster=slurm: there is no {missing[0]} on this machine: call it on a login node of the cluster, "
            "or take +cluster=local"
        )


def queued() -> dict[str, str] | None:
    """Return the state of each of the user's jobs that are in the queue, by id (``<array>_<task>``).

    Slurm's accounting is not asked: many clusters have none. None: the controller does not answer just now. A job that
    Slurm has put aside since it could not start it has the state ``HELD``.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    lines = [line.strip().split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2]
    return {number: HELD if "requeued held" in reason else state for number, state, reason in lines}


def release(slurm_id: str) -> None:
    """Let a job that was put aside begin; of the queue's own accord it never would."""
    subprocess.run(["scontrol", "release", slurm_id], capture_output=True, check=False, timeout=PATIENCE)


def cancel(slurm_id: str) -> None:
    """Take a job out of the queue."""
    subprocess.run(["scancel", slurm_id], capture_output=True, check=False, timeout=PATIENCE)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until the block has ended, for this process and for the commands that it starts.

    Raises:
        KeyboardInterrupt: At the end, where Ctrl-C came meanwhile.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: came.append(signum))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # handed down to commands, as a handler is not
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def explain_refusal(message: str, asked: SlurmConfig) -> UserError:
    """Return an error of one line for what sbatch has said."""
    lines = message.strip().splitlines() or ["no reason given"]
    said = [line.rpartition("error: ")[2] for line in lines if "error:" in line]
    said = [line.removeprefix("Batch job submission failed: ").strip() for line in said]
    text = "; ".join(dict.fromkeys(said)) or lines[0]
    lowered = text.lower()
    key = next((key for word, key in ABOUT.items() if word in lowered), None)
    if key:
        if key == "partition":
            there = f"; there are {_sinfo('%R')}"
        else:
            there = ""
        return UserError(f"cluster.{key}={getattr(asked, key)}: {text}{there}")
    if any(word in lowered for word in ("node", "gres", "memory", "cpu", "processors")):
        nodes = _sinfo("%N: %c cores, %m MB, %G")
        return UserError(
            f"no node has what is asked ({text}): see cluster.gpus_per_node, cpus_per_task, mem_gb, trainer.num_nodes "
            f"and trainer.devices; there are {nodes}"
        )
    return UserError(f"sbatch refuses the job: {text}")


def _sinfo(form: str) -> str:
    """What sinfo says, each line once."""
    done = subprocess.run(["sinfo", "--noheader", f"--format={form}"], capture_output=True, text=True, check=False)
    return ", ".join(dict.fromkeys(line.strip() for line in done.stdout.splitlines())) or "none (sinfo is silent)"

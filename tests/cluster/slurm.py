"""The dev cluster, and commands that run on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from karyocyte.common.paths import ROOT

Found = TypeVar("Found")

SCRIPT = ROOT / "scripts" / "dev_cluster.sh"
PROGRAMS = ("sbatch", "slurmctld", "slurmd", "munged")
# The nodes are virtual: no GPU, and a core for each process at most.
SLURM = ["-m", "+cluster=slurm", "cluster.gpus_per_node=null", "cluster.cpus_per_task=1", "cluster.poll_seconds=0.5"]


def script(*words: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess:
    """Call scripts/dev_cluster.sh, for the cluster in ``folder`` or the default one."""
    if folder:
        variables["KARYOCYTE_CLUSTER_DIR"] = str(folder)
    environment = {**os.environ, **variables}
    return subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, check=False)


def why_not() -> str | None:
    """Why no cluster can be started here, None where one can."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"no Slurm on this machine ({', '.join(missing)} missing): `make test-cluster` installs it, as root"
    if os.geteuid() != 0:
        return "only root can start the dev cluster: sudo scripts/dev_cluster.sh start"
    return None


@dataclass(frozen=True)
class Cluster:
    """A dev cluster that is up: the folder of its state, and the environment of a process that uses it."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, folder: Path | None = None) -> "Cluster":
        """Return the one that is up, in ``folder`` or the default one."""
        lines = script("env", folder=folder).stdout.splitlines()
        variables = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        # One thread a process: six of them share the cores, and the same sums come out of every one.
        return cls(Path(variables["KARYOCYTE_CLUSTER_DIR"]), {**os.environ, **variables, "OMP_NUM_THREADS": "1"})

    def call(self, *command: str) -> str:
        """Run a command of Slurm's; return what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout.strip()

    def submit(self, *words: str, command: str) -> str:
        """Submit a shell command; return the job's id."""
        return self.call("sbatch", "--parsable", "--output=/dev/null", *words, f"--wrap={command}")

    def state(self, job: str) -> str:
        """Return the state of a job in the queue, "" where it is not in it."""
        listed = [line.split() for line in self.call("squeue", "--noheader", "--array", "--format=%i %T").splitlines()]
        return dict(listed).get(job, "")

    def restart_controller(self) -> None:
        """End slurmctld as an administrator does, and start it again."""
        pid = int((self.folder / "run" / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "slurmctld to end")
        assert script("start", folder=self.folder).returncode == 0

    def start(self, *overrides: str, folder: Path) -> subprocess.Popen:
        """Start a multirun of train.py that writes below ``folder``; what it prints goes to <folder>/output."""
        places = [f"output_dir={folder / 'outputs'}", f"cache_dir={folder.parent / 'cache'}"]
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(ROOT / "train.py"), *SLURM, *places, *overrides]
        with open(folder / "output", "w") as output:
            return subprocess.Popen(command, env=self.environment, cwd=folder, stdout=output, stderr=output)

    def run(self, *overrides: str, folder: Path) -> tuple[int, str]:
        """Run a multirun of train.py to its end; return its exit code and what it printed."""
        return end_of(self.start(*overrides, folder=folder), folder)


def end_of(process: subprocess.Popen, folder: Path) -> tuple[int, str]:
    """Wait for a multirun; return its exit code and what it printed."""
    try:
        process.wait(timeout=500)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"it did not end: {(folder / 'output').read_text()}") from None
    return process.returncode, (folder / "output").read_text()


def wait_for(found: Callable[[], Found], what: str, seconds: float = 300) -> Found:
    """Return what ``found`` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the one sweep below ``folder``, by what its jobs differ in."""
    read = []
    for path in (folder / "outputs" / "sweeps").glob("*/jobs/[!.]*.json"):
        record = json.loads(path.read_text())
        if record.get("run"):  # seen from the sweep's folder
            record["run"] = str((path.parents[1] / record["run"]).resolve())
        read.append(record)
    shared = set.intersection(*(set(record["overrides"]) for record in read)) if read else set()
    return {" ".join(sorted(set(record["overrides"]) - shared)): record for record in read}


def submitted(folder: Path) -> dict[str, str]:
    """Return the Slurm id of each job of the one sweep below ``folder``, by the job's key."""
    return {record["key"]: record["slurm_job"] for record in records(folder).values() if record.get("slurm_job")}

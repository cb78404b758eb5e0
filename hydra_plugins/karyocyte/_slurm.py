"""Runs the jobs of a sweep on a Slurm cluster: submits, waits, and takes up jobs that are still in the queue."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from karyocyte.common.cli import INTERRUPTED, console, say, warn
from karyocyte.common.preemption import call_slurm
from karyocyte.common.text import counted
from karyocyte.config.cluster import SlurmConfig
from karyocyte.runs import sweeps
from karyocyte.workflows.sweeps import slurm
from karyocyte.workflows.sweeps.tasks import Task

ABSENCES = 3  # looks at the queue without a job until it counts as gone: files on a network arrive late


class SlurmJobs:
    """The jobs of the sweep in a folder on a Slurm cluster."""

    def __init__(self, cluster: SlurmConfig, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.ids: dict[Task, str] = {}  # of the jobs in the queue

    def run(self, tasks: Sequence[Task], needs: Sequence[SlurmConfig]) -> None:
        """Submit the tasks that are not in the queue, each with its needs, and wait for all; Ctrl-C leaves them."""
        queue = slurm.answered_queue()
        arrays: dict[str, list[Task]] = {}  # by what their jobs need, which is the same for all of an array
        for task, need in zip(tasks, needs, strict=True):
            slurm_id = sweeps.read_record(self.folder, task.job.key).get("slurm_job")
            if slurm_id in queue and not sweeps.has_ended(self.folder, task.job.key):
                self.ids[task] = slurm_id
            else:
                arrays.setdefault(need.model_dump_json(), []).append(task)
        if self.ids:
            say(f"in the queue already, and waited for: {counted(len(self.ids), 'job')}")
        try:
            for asked, batch in arrays.items():
                self._submit(SlurmConfig.model_validate_json(asked), batch)
            self._wait()
        except KeyboardInterrupt:
            if not self.ids:
                raise
            ids = sorted({slurm_id.partition("_")[0] for slurm_id in self.ids.values()})
            end = f"`scancel {' '.join(ids)}` ends them, the same command waits for them again"
            warn(f"the jobs go on without this command: {end}")
            raise SystemExit(INTERRUPTED) from None

    def _submit(self, need: SlurmConfig, tasks: Sequence[Task]) -> None:
        with slurm.uninterrupted():  # jobs that no record names would be submitted again
            array = slurm.submit(need, [task.command() for task in tasks], self.folder.absolute())
            for place, task in enumerate(tasks):  # an older failure is not the end of this attempt
                self.ids[task] = f"{array}_{place}"
                sweeps.write_record(self.folder, task.job, status="waiting", error=None, slurm_job=self.ids[task])
        say(f"{counted(len(tasks), 'job')} submitted as Slurm's job {array}")

    def _wait(self) -> None:
        """Return when none of the jobs is in the queue any more, or has a result."""
        absences: Counter[Task] = Counter()
        while self.ids:
            time.sleep(self.cluster.poll_seconds)
            queue = slurm.queued_jobs()
            if queue is None:  # the controller does not answer
                continue
            for task, slurm_id in list(self.ids.items()):
                state = queue.get(slurm_id)
                if state == slurm.HELD:
                    self._free_held(task, slurm_id)
                absences[task] = (absences[task] + 1) * (state is None)
                if absences[task] >= ABSENCES or (state is None and sweeps.has_ended(self.folder, task.job.key)):
                    self._conclude(task, self.ids.pop(task))

    def _free_held(self, task: Task, slurm_id: str) -> None:
        """Release a job that Slurm would hold for ever since its controller was restarted as the job began."""
        if sweeps.has_ended(self.folder, task.job.key):
            call_slurm("scancel", slurm_id)
        else:
            call_slurm("scontrol", "release", slurm_id)

    def _conclude(self, task: Task, slurm_id: str) -> None:
        """Record the end of a job that has left the queue, where its process could not."""
        record = sweeps.read_record(self.folder, task.job.key)
        unexplained = record["status"] == "failed" and not record.get("error")
        if unexplained or record["status"] in ("waiting", "lost", "preempted", "interrupted"):
            log = self.folder / "slurm" / f"{slurm_id}.log"
            reason = f"not started, cancelled, or cluster.timeout_min is too short, see {log}"
            sweeps.write_record(self.folder, task.job, status="failed", error=f"{reason}: the same command goes on")
        if sweeps.has_ended(self.folder, task.job.key):  # the launcher reports the others
            status = sweeps.read_record(self.folder, task.job.key)["status"]
            console.print(f"{status}: {task.name}", markup=False, soft_wrap=True)

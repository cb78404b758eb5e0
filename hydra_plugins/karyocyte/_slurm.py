"""Runs the jobs of a sweep on a Slurm cluster: submits, waits, and takes up jobs that are still in the queue."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from common.cli import INTERRUPTED, console, say, warn
from common.config.cluster import SlurmConfig
from common.errors import UserError
from common.files import write_json
from common.preemption import call_slurm
from common.runs import sweeps
from workflows.sweeps import slurm
from workflows.sweeps.jobs import Task

SUBMITTED = "slurm.json"
ABSENCES = 3  # looks at the queue without a job until it counts as gone: files on a network arrive late


class SlurmJobs:
    """The jobs of the sweep in a folder on a Slurm cluster."""

    def __init__(self, cluster: SlurmConfig, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.ids = read_submitted(folder)  # the Slurm id of each job, by its key

    def run(self, tasks: Sequence[Task], needs: Sequence[SlurmConfig]) -> None:
        """Submit the tasks that are not in the queue, each with its needs, and wait for all; Ctrl-C leaves them."""
        queue = slurm.queued_jobs()
        if queue is None:
            raise UserError("Slurm's controller does not answer (squeue): try again later, or ask the administrators")
        adopted = [task for task in tasks if self.ids.get(task.key) in queue and not self._has_ended(task)]
        if adopted:
            say(f"{len(adopted)} jobs are in the queue already: waiting for them")
        waiting_for = {task.key for task in adopted}
        try:
            for need, places in slurm.in_batches(needs):
                batch = [tasks[place] for place in places if tasks[place] not in adopted]
                if batch:
                    with slurm.uninterrupted():  # jobs that no file names would be submitted again
                        self._submit(need, batch)
                        waiting_for |= {task.key for task in batch}
            self._wait(tasks)
        except KeyboardInterrupt:
            arrays = sorted({self.ids[key].partition("_")[0] for key in waiting_for})
            if not arrays:
                raise
            end = f"`scancel {' '.join(arrays)}` ends them, the same command waits for them again"
            warn(f"the jobs go on without this command: {end}")
            raise SystemExit(INTERRUPTED) from None

    def _submit(self, need: SlurmConfig, tasks: Sequence[Task]) -> None:
        commands = tuple(task.command for task in tasks)
        batch = slurm.Batch(need, commands, Path.cwd(), self.folder.absolute(), tuple(sys.argv))
        for task in tasks:  # an older failure is not the end of this attempt
            record = {"status": "waiting", "error": None, "overrides": list(task.job.overrides)}
            sweeps.write_record(self.folder, task.key, **record)
        slurm_ids = slurm.submit(batch)
        self.ids |= {task.key: slurm_id for task, slurm_id in zip(tasks, slurm_ids, strict=True)}
        write_json(self.folder / SUBMITTED, self.ids)
        say(f"submitted {len(tasks)} jobs as {slurm_ids[0].partition('_')[0]}")

    def _wait(self, tasks: Sequence[Task]) -> None:
        """Return when none of the tasks is in the queue any more, or has a result."""
        left = list(tasks)
        absences = dict.fromkeys((task.key for task in tasks), 0)
        silent = False
        with console.status(f"waiting for {len(left)} jobs") as line:
            while left:
                time.sleep(self.cluster.poll_seconds)
                queue = slurm.queued_jobs()
                if queue is None:
                    if not silent:
                        warn("Slurm's controller does not answer: waiting for it")
                    silent = True
                    continue
                silent = False
                for task in list(left):
                    state = queue.get(self.ids[task.key])
                    absences[task.key] = 0 if state else absences[task.key] + 1
                    if state == slurm.HELD:
                        self._free_held(task)
                    if absences[task.key] >= ABSENCES or (not state and self._has_ended(task)):
                        left.remove(task)
                        self._conclude(task)
                states = Counter(queue.get(self.ids[task.key], "ending").lower() for task in left)
                counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
                line.update(f"waiting for {len(left)} jobs: {counts}")

    def _has_ended(self, task: Task) -> bool:
        return sweeps.read_record(self.folder, task.key)["status"] in sweeps.ENDED

    def _free_held(self, task: Task) -> None:
        """Release a job that Slurm holds: its controller was restarted while the job began. An ended one is cancelled.

        By itself Slurm would hold it for ever.
        """
        command = ("scancel",) if self._has_ended(task) else ("scontrol", "release")
        call_slurm(*command, self.ids[task.key])

    def _conclude(self, task: Task) -> None:
        """Record the end of a job that has left the queue, where its process could not."""
        record = sweeps.read_record(self.folder, task.key)
        status = record["status"]
        error = None
        if status in ("waiting", "lost") or (status == "failed" and not record.get("error")):
            log = self.folder / "slurm" / f"{self.ids[task.key]}.log"
            error = f"it left the queue before it began: cancelled, or it could not start, see {log}"
        elif status in ("preempted", "interrupted"):  # else it would be in the queue again
            error = "cancelled, or cluster.timeout_min is too short: the same command goes on"
        if error:
            status = "failed"
            sweeps.write_record(self.folder, task.key, status=status, error=error, overrides=list(task.job.overrides))
        if status in sweeps.ENDED:  # the launcher reports the others
            console.print(f"{status}: {task.name}", markup=False, soft_wrap=True)


def read_submitted(folder: Path) -> dict[str, str]:
    """Return the Slurm id of each job that was submitted, by its key."""
    path = folder / SUBMITTED
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): remove it, once none of the sweep's jobs is in the queue "
            f"(squeue --me --name={folder.name})"
        ) from error

"""A script whose jobs train nothing: `python -m tests.hydra_plugins.light_jobs -m seed=0,1,2 output_dir=...`.

What happens to a job depends on its seed: 3 is a user's mistake, 4 a bug, 5 dies of SIGKILL once, 6 each time,
7 and more sleep.
"""

import os
import signal
import sys
import time
from pathlib import Path

# The launcher starts a job by this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import hydra
from omegaconf import DictConfig

from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT
from karyocyte.runs import sweeps
from karyocyte.runs.run import Run
from karyocyte.workflows.sweeps.jobs import command_line, job


@hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="train")
def main(composed: DictConfig) -> None:
    """Leave what a finished run leaves of its status, or fail as the seed says."""
    with job():
        run = Path(composed.output_dir) / f"seed={composed.seed}"
        sweeps.note_run(run)
        calls = run / "calls"
        calls.parent.mkdir(parents=True, exist_ok=True)
        with open(calls, "a") as file:
            file.write(f"{os.getpid()}\n")
        died = len(calls.read_text().splitlines()) > 1
        if composed.seed == 3:
            raise UserError("seed=3 is a mistake")
        if composed.seed == 4:
            raise ZeroDivisionError("a bug")
        if composed.seed == 6 or (composed.seed == 5 and not died):
            os.kill(os.getpid(), signal.SIGKILL)
        if composed.seed >= 7:
            time.sleep(600)
        Run(run).write_status("finished")


if __name__ == "__main__":
    with command_line():
        main()

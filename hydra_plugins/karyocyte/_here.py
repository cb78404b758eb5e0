"""One job after another, in this process."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher

from hydra_plugins.karyocyte._tasks import Context, Task


class HereBackend:
    """Hydra's own launcher, one call for each job."""

    def __init__(self, context: Context) -> None:
        self.launcher = BasicLauncher()
        self.launcher.setup(hydra_context=context.hydra, task_function=context.function, config=context.config)

    def check(self) -> None:
        """There is nothing to check."""

    def run(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Run the tasks in their order; an error of one is recorded, and the next begins."""
        for task in tasks:
            returned = self.launcher.launch([list(task.overrides)], task.number)
            _ = [each.return_value for each in returned]  # raises what the job has raised

"""Private interfaces of other libraries, in one place: the tests of sweeps and resuming tell of a break.

Libraries are imported within the functions, so that importing this module costs nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig
    from pytorch_lightning import Trainer


def run_in_process(
    context: "HydraContext", function: "TaskFunction", config: "DictConfig", overrides: Sequence[str], number: int
) -> object:
    """Run job ``number`` of a multirun in this process, as Hydra's own launcher does, and return its result."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    launcher = BasicLauncher()
    launcher.setup(hydra_context=context, task_function=function, config=config)
    (result,) = launcher.launch([list(overrides)], number)
    return result.return_value  # raises what the job has raised


def expand_sweep(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the overrides of each job of a sweep, as Hydra's own sweeper does: every combination of the values."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    (jobs,) = BasicSweeper.split_arguments(parsed, None)
    return [tuple(job) for job in jobs]


def position_in_epoch(trainer: "Trainer | None") -> tuple[int, int]:
    """Return the epoch that begins and its first batch, which is not 0 right after a resume in mid-epoch."""
    if trainer is None:
        return 0, 0
    batches = trainer.fit_loop.epoch_loop.batch_progress
    first = 0 if batches.is_last_batch else batches.current.processed  # type: ignore[attr-defined]  # wrongly declared
    epoch: int = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]  # likewise
    return epoch, first

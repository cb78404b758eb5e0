"""Private interfaces of other libraries, in one place: the tests of sweeps and resuming tell of a break.

Libraries are imported within the functions, so that importing this module costs nothing.
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any

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


@contextmanager
def quick_compositions() -> Iterator[None]:
    """Let Hydra compose in three quarters of the time within: the jobs of a grid read the same files.

    A YAML text is parsed once. What a defaults list has chosen is collected only where one of its entries refers to it.
    """
    from hydra._internal import defaults_list
    from omegaconf import OmegaConf

    load, collect = OmegaConf.load, defaults_list._create_interpolation_map
    parsed = cache(lambda text: pickle.dumps(load(StringIO(text))))

    def load_copy(file: Any) -> Any:
        """Return a copy of what the text of a file was parsed to; pickle makes one in a fifth of deepcopy's time."""
        return pickle.loads(parsed(file.read())) if hasattr(file, "read") else load(file)  # noqa: S301 (pickled here)

    def collect_where_needed(overrides: Any, entries: Any, self_added: bool) -> Any:
        """Collect what a defaults list has chosen, as Hydra does, if an entry refers to it."""
        needed = any(entry.is_interpolation() for entry in entries)
        return collect(overrides, entries, self_added) if needed else None

    OmegaConf.load = load_copy  # type: ignore[method-assign, assignment]
    defaults_list._create_interpolation_map = collect_where_needed  # type: ignore[assignment]
    try:
        yield
    finally:
        OmegaConf.load = load  # type: ignore[method-assign]
        defaults_list._create_interpolation_map = collect


def position_in_epoch(trainer: "Trainer | None") -> tuple[int, int]:
    """Return the epoch that begins and its first batch, which is not 0 right after a resume in mid-epoch."""
    if trainer is None:
        return 0, 0
    batches = trainer.fit_loop.epoch_loop.batch_progress
    first = 0 if batches.is_last_batch else batches.current.processed  # type: ignore[attr-defined]  # wrongly declared
    epoch: int = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]  # likewise
    return epoch, first

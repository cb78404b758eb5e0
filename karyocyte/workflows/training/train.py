"""Train and evaluate one run: data module, model, fit, predict, evaluate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.installed import entries
from karyocyte.common.revision import revision
from karyocyte.config.distributed import World
from karyocyte.config.schema import Config, TrainingConfig
from karyocyte.evaluation.pooling.sections import own_sections
from karyocyte.recipes.recipe import Built, Recipe
from karyocyte.runs import usage
from karyocyte.runs.address import run_folder, run_identity
from karyocyte.runs.lifecycle import begin, check_run, locked, recorded
from karyocyte.runs.run import Run
from karyocyte.runs.stages import warnings_of_stages
from karyocyte.runs.sweeps import in_sweep, note_run
from karyocyte.workflows.training.classification import CLASSIFICATION
from lightning_modules.build.build import initialise_backbone
from lightning_modules.support.distributed import (
    check_equal,
    on_rank_zero,
    process_group,
    rank_zero_context,
    rank_zero_first,
)
from lightning_modules.training.process import set_up_torch


def run(config: TrainingConfig, begun: Callable[[Path], None] | None = None) -> Path:
    """Check everything, train what is not trained yet and evaluate it.

    Args:
        config: The typed configuration.
        begun: Called with the folder of the run when its training begins.

    Returns:
        The run's folder.

    Raises:
        UserError: Configuration, data, weights or the run's folder do not fit.
    """
    set_up_torch()
    revision()  # the code may change while the images are scanned
    with process_group(config.trainer) as world:
        recipe = recipe_of(config)
        data, model, contents = prepare(config, world)
        with opened_run(config, data, contents) as (run, is_to_train):
            if is_to_train:
                with rank_zero_context(recorded(run.folder)), usage.measured_usage(run.folder, config.trainer):
                    if begun:
                        begun(run.folder)
                    recipe.fit(model, data, config, run)
            on_rank_zero(recipe.report, run.folder, config, data)
    return run.folder


def prepare(config: TrainingConfig, world: World = World()) -> tuple[SplitDataModule, *Built]:  # noqa: B008 (frozen)
    """Return data, network and the hashes of its first weights, and check before all that needs no images."""
    recipe = recipe_of(config)
    with rank_zero_first():
        if isinstance(config, Config):
            own_sections(config.evaluation)  # so that a wrong name is an error before the training
        first = initialise_backbone(config)
    data = recipe.data(config, progress=config.trainer.enable_progress_bar, world=world)
    with rank_zero_first():
        data.setup()
    return data, *recipe.build(config, data, first)


@contextmanager
def opened_run(
    config: TrainingConfig, data: SplitDataModule, contents: dict[str, str | None]
) -> Iterator[tuple[Run, bool]]:
    """Hold the folder of a run, which no other process may train into; yield it, and whether it is not finished yet."""
    identity = run_identity(config, {"data": data.content_hash(), **contents})
    folder = run_folder(config, identity)
    check_equal((str(folder), identity), "their configuration, images or weights")
    note_run(folder)
    on_rank_zero(check_run, folder, identity)
    with rank_zero_context(locked(folder)):
        description = [] if in_sweep() else data.describe()
        warnings = [*data.warnings(), *warnings_of_stages(config)]
        yield Run(folder), on_rank_zero(begin, folder, data.config, identity, description, warnings)


def recipe_of(config: TrainingConfig) -> Recipe:
    """Return how a kind of network is trained; the modules of the other kinds are not loaded."""
    if isinstance(config, Config):
        return CLASSIFICATION
    recipe: Recipe = entries("recipes")[config.recipe].load()
    return recipe

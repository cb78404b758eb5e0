"""The pretrained weights of a sweep, brought before its jobs begin: their nodes may have no internet."""

from collections.abc import Sequence
from pathlib import Path

from karyocyte.common.cli import say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
from karyocyte.config.schema import TrainingConfig
from lightning_modules.backbones.find_weights import find_weights
from lightning_modules.backbones.weights_folders import WeightsFolders


def bring_weights(configs: Sequence[TrainingConfig]) -> None:
    """Find the weights of each configuration where the training looks for them, and download those that are missing.

    A ``UserError`` says that some were not to be had; all of them are named.
    """
    found: dict[Path, str] = {}
    missing: dict[str, UserError] = {}  # by what the error says: a file may hold a network only up to its cut
    for config in configs:
        if config.weights == "random":
            continue
        if config.weights_dir:
            Path(config.weights_dir).expanduser().mkdir(parents=True, exist_ok=True)
        try:
            folders = WeightsFolders.from_config(config.weights_dir, config.cache_dir)
            found[find_weights(config.model, config.weights, folders).path] = config.weights
        except UserError as error:
            missing[str(error)] = error
    lines = [f"{weights}: {path.stat().st_size / 1e6:.1f} MB, {path}" for path, weights in found.items()]
    if found or not missing:
        say(counted(len(found), "file") + " of weights", *lines)
    if len(missing) > 1:
        warn(*missing)
        raise UserError(f"{len(missing)} files of weights are missing: the warnings name them, and what to bring")
    if missing:
        raise next(iter(missing.values()))

"""The address of a run: computed from what determines its result."""

from pathlib import Path
from typing import Any

from karyocyte.common.files import sha256_of_value
from karyocyte.common.installed import run_keys
from karyocyte.common.revision import revision
from karyocyte.config.schema import Config, TrainingConfig

# Keys that do not change the trained weights, or that the address holds in another way.
_WHOLE = """name data_dir weights_dir output_dir cache_dir cache_features recipe protocol seed resume weights
    logger evaluation"""
UNHASHED: Any = {
    **dict.fromkeys((*_WHOLE.split(), *run_keys()), True),
    "data": {"on_broken", "file", "group_column"},
    "same_cells": True,  # the hash of the data has the persons that follow from them
    "split": {"fold", "near_duplicates", "near_duplicate_bits"},
    "model": {"weights"},
    "loader": {"workers", "timeout"},
    "inference": {"batchnorm"},
    "trainer": {"accelerator", "devices", "enable_progress_bar", "num_nodes"},
    "callbacks": {"checkpoint"},
}
# Keys that are newer than many runs, with values that change nothing: those runs stay where they are.
LATER: dict[str, list[tuple[str, Any]]] = {
    "loss": [("class_weights", None)],
    "head": [("start", "kept")],
    "pretrained": [("mean", None), ("std", None)],
}


def run_identity(config: TrainingConfig, contents: dict[str, str | None]) -> dict[str, Any]:
    """Return what distinguishes the run: the keys that change its result, and hashes of the files that it reads.

    ``contents`` has the hashes by name ("data", "weights" and those of `run_keys`), None where there is none.
    """
    settings = with_former(config, config.model_dump(mode="json"))
    for section, names in UNHASHED.items():
        whole = settings.pop(section, {})
        if names is not True and whole:
            settings[section] = {key: value for key, value in whole.items() if key not in names}
    settings["callbacks"]["extra"] = dict(config.callbacks.changing_entries)
    for section, unset in LATER.items():
        if section in settings:
            settings[section] = {key: value for key, value in settings[section].items() if (key, value) not in unset}
    return {"config": _with_short_names(settings), "contents": contents, "processes": config.trainer.processes}


def with_former(value: Any, dumped: Any) -> Any:
    """Return plain settings with the ``former`` keys of earlier versions: those runs stay where they are."""
    if isinstance(value, dict):
        return {key: with_former(each, dumped[key]) for key, each in value.items()}
    if not hasattr(value, "former"):
        return dumped
    return {**value.former, **{key: with_former(each, dumped[key]) for key, each in value}}


def _with_short_names(value: Any) -> Any:
    """Return settings with the last name of each class: a run stays where it is when a module is moved."""
    if isinstance(value, list):
        return [_with_short_names(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    short = {key: _with_short_names(entry) for key, entry in value.items()}
    if isinstance(short.get("_target_"), str):
        short["_target_"] = short["_target_"].rpartition(".")[2]
    return short


def run_folder(config: TrainingConfig, identity: dict[str, Any] | None) -> Path:
    """Return ``<output_dir>/<experiment>/<protocol>-fold<i>-<8 hex>/seed=<n>``; None: with ``*`` for the digits."""
    part = f"{config.protocol}-fold{config.split.fold}-{sha256_of_value(identity)[:8] if identity else '*'}"
    return Path(config.output_dir) / config.name / part / f"seed={config.seed}"


def run_facts(config: TrainingConfig, identity: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a run that its predictions hold, as far as configuration and code determine them."""
    balanced = isinstance(config, Config) and config.balance.name != "none"
    return {
        "name": config.name,
        "protocol": config.protocol,
        "fold": config.split.fold if config.split.test == "fold" else None,
        "test": config.split.test,
        # What the runs of all folds of one experiment have in common.
        "config": sha256_of_value([identity["config"], identity["contents"]["weights"]])[:8],
        "seed": config.seed,
        "weights": config.weights,
        "monitor": config.callbacks.monitor,
        "revision": revision(),
        "balanced": balanced,  # its probabilities assume classes of equal frequency
    }

"""The pretrained weights of a sweep, listed and brought before its jobs begin: their nodes may have no internet."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from karyocyte.common.cli import say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import make_folder, sha256_of_file
from karyocyte.common.text import counted
from karyocyte.config.schema import TrainingConfig
from lightning_modules.backbones.weights import Weights, find_weights
from lightning_modules.backbones.weights_folders import WeightsFolders


def bring_weights(configs: Sequence[TrainingConfig], download: bool = True) -> None:
    """List the weights of configurations; ``download`` those that are missing.

    A ``UserError`` says that some are not to be had or damaged; all are named.
    """
    needed = needed_weights(configs)
    _show(needed)
    missing = 0
    for file, users in needed.items():
        try:
            if path := _bring(file, users[0], download):
                say(f"{file.name}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {_checked(path)}", str(path))
        except UserError as error:
            warn(str(error))
            missing += 1
    if missing:
        raise UserError(f"{counted(missing, 'file')} of weights missing or damaged: the warnings name what to do")


def needed_weights(configs: Sequence[TrainingConfig]) -> dict[Weights, list[TrainingConfig]]:
    """Return the files of weights that configurations need, each with its users; the internet is not asked."""
    needed: dict[Weights, list[TrainingConfig]] = defaultdict(list)
    for config in configs:
        if config.weights != "random":
            needed[_look_for(config)].append(config)
    return needed


def _show(needed: Mapping[Weights, Sequence[TrainingConfig]]) -> None:
    there = sum(file.path is not None for file in needed)
    say(f"{counted(len(needed), 'file')} of weights, {there} of them there")
    for file, users in needed.items():
        place = f"there: {file.path}" if file.path else file.fault or "not there"
        size = file.path.stat().st_size if file.path else file.size
        megabytes = f"size: {size / 1e6:.1f} MB" if size else "size: unknown"
        licence, source = f"licence: {file.licence or 'not stated'}", f"source: {file.source or 'unknown'}"
        experiments = ", ".join(dict.fromkeys(config.name for config in users))
        say(file.name, place, megabytes, licence, source, f"for: {experiments}")


def _look_for(config: TrainingConfig) -> Weights:
    """Return what is known of a configuration's weights without the internet."""
    folders = replace(WeightsFolders.from_config(config), downloads=False)
    try:
        return find_weights(config.model, config.weights, folders)
    except UserError as error:
        return Weights(config.weights, fault=str(error))


def _bring(file: Weights, config: TrainingConfig, download: bool) -> Path | None:
    """Return where a file is; download it to ``weights_dir`` if that may be written to, or else to a cache."""
    if file.fault:
        raise UserError(file.fault)
    if file.path or not download:
        return file.path
    folders = WeightsFolders.from_config(config)
    if folders.own:
        with suppress(OSError):  # then a cache takes it
            make_folder(folders.own)
        if os.access(folders.own, os.W_OK):
            folders = WeightsFolders(folders.own, folders.own)
    return find_weights(config.model, config.weights, folders).path


def _checked(path: Path) -> str:
    """Return the SHA-256 of a file; the hub's client has called what it downloads by the one that the hub gives."""
    digest, kept = sha256_of_file(path), path.resolve()
    if re.fullmatch("[0-9a-f]{64}", kept.name) and kept.name != digest:
        raise UserError(f"{kept} is damaged, its SHA-256 is {digest}: delete it and type the same command again")
    return digest

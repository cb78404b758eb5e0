"""Keras' weights of ImageNet from its store: downloaded, checked, converted once and kept in the cache."""

import hashlib
import os
from functools import partial
from http.client import HTTPException
from pathlib import Path
from shutil import copyfileobj
from urllib.request import urlopen

from rich.console import Console
from rich.progress import wrap_file
from safetensors import SafetensorError, safe_open

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.keras import KERAS, KerasWeights
from karyocyte.common.locks import one_at_a_time
from lightning_modules.backbones.keras_files import convert
from lightning_modules.backbones.weights_folders import NotAtHandError, WeightsFolders

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
TIMEOUT_SECONDS = 10.0  # without an answer, or without a further byte
MIRROR = "KARYOCYTE_KERAS_STORE"  # names another address with the same files


def keras_weights(network: str, folders: WeightsFolders) -> Path:
    """Convert Keras' weights of a network into the cache; return their file, .safetensors with a side file.

    The file of the store is looked for in the user's folder before it is downloaded. One process of a machine does so,
    and the others wait.

    Raises:
        UserError: They are not to be had, or not to be converted; nothing is left behind.
        NotAtHandError: They would have to be downloaded, and ``folders`` forbid it.
    """
    facts = KERAS[network]
    weights = f"weights={facts.name}"
    if folders.cache is None:
        raise UserError(f"{weights}: set cache_dir, the folder of what is converted from Keras' file")
    target = folders.cache / f"{facts.name}.safetensors"
    if _is_kept(target):
        return target
    file = Path(facts.path).name
    source = f"{(os.environ.get(MIRROR) or STORE).rstrip('/')}/{facts.path}"
    if folders.own and (folders.own / file).is_file():
        source = str(folders.own / file)
    elif not folders.download:
        raise NotAtHandError(f"to be downloaded, {facts.size / 1e6:.0f} MB (needs internet)")
    try:
        with one_at_a_time(target.with_suffix(".lock"), f"brings {target}"):
            # Another process may have brought it in the meantime.
            if not _is_kept(target):
                _make(source, network, target)
    except (OSError, HTTPException, ValueError) as error:
        place = folders.own or "a folder that weights_dir names"
        raise UserError(
            f"{weights}: {source} was not brought to {folders.cache}: {first_line(error)}; bring {file}, with its "
            f"{facts.size:,} bytes, to {place} (KARYOCYTE_WEIGHTS_DIR), or take others, such as weights=random"
        ) from error
    return target


def _is_kept(target: Path) -> bool:
    """Return whether a converted file is in the cache with its side file; a ``UserError`` says that it is damaged."""
    if not target.is_file() or not Path(f"{target}.json").is_file():
        return False
    try:
        with safe_open(target, "pt"):
            return True
    except (SafetensorError, OSError) as error:
        raise UserError(f"{target} is damaged ({first_line(error)}): delete it: it is made again") from error


def _make(source: str, network: str, target: Path) -> None:
    """Convert the file with the path or the address ``source``; a download is removed again."""
    facts = KERAS[network]
    file = Path(source)
    download = target.with_name(f".{file.name}")  # the lock is held: what a killed process has left is overwritten
    try:
        if not file.is_file():
            file = download
            _download(source, facts.size, file)
        _check(file, facts)
        convert(file, network, target, f"Keras Applications, ImageNet-1k: {STORE}/{facts.path}")
    finally:
        download.unlink(missing_ok=True)
    say("Keras' weights were checked and converted", str(target))


def _download(url: str, size: int, target: Path) -> None:
    say(f"downloading {size / 1e6:.1f} MB", url)
    terminal = Console(stderr=True)
    hidden = not terminal.is_terminal
    with (
        urlopen(url, timeout=TIMEOUT_SECONDS) as response,
        wrap_file(response, size, description=target.name, console=terminal, disable=hidden) as body,
        open(target, "wb") as copy,
    ):
        copyfileobj(body, copy)


def _check(path: Path, facts: KerasWeights) -> None:
    """Compare a file with what is known of it."""
    size = path.stat().st_size
    if size != facts.size:
        raise ValueError(f"it has {size:,} bytes, not {facts.size:,}: the download broke off, or it is another file")
    algorithm, _, expected = facts.digest.partition(":")
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
    if digest != expected:
        raise ValueError(f"its {algorithm} is {digest}, not {expected}: it is damaged, or another file")

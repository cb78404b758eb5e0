"""The weights of ImageNet that Keras publishes, with which papers 001 and 004 began, and their download.

``weights=keras`` stands for them. A downloaded file is checked, converted once and kept in the cache as .safetensors.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from shutil import copyfileobj
from urllib.request import urlopen

from rich.console import Console
from rich.progress import wrap_file

from common.cli import say
from common.errors import UserError
from common.keras import STEMS
from common.locks import one_at_a_time
from lightning_modules.backbones.keras_files import convert
from lightning_modules.backbones.local_weights import NotAtHandError, WeightsFolders, find_local
from lightning_modules.backbones.truncation import first_line

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
TIMEOUT_SECONDS = 10.0  # without an answer, or without a further byte
MIRROR = "KARYOCYTE_KERAS_STORE"  # names another address with the same files


@dataclass(frozen=True)
class KerasFile:
    """A file of the store: its ``path`` below the address, its ``size`` in bytes, and its hashes as far as known."""

    path: str
    size: int
    md5: str | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Without the folder."""
        return Path(self.path).name

    @property
    def url(self) -> str:
        """In the store, or in the mirror that the environment names."""
        return f"{(os.environ.get(MIRROR) or STORE).rstrip('/')}/{self.path}"


# By the network that takes them.
FILES = {
    "resnet50_v1": KerasFile(
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=94_765_736,
        md5="4d473c1dd8becc155b73f8504c6f6626",
        sha256="66c8b43daff3fcc15bc4f30e3d2a167e21a14d9c9598a5394e5516471f4af504",
    ),
    "vgg16": KerasFile(
        "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=58_889_256,
        md5="6d6bbae143d832006294945121d1f1fc",
    ),
    "mobilenetv2_100": KerasFile(
        "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        size=9_406_464,
        sha256="f8aff69536bd77a692c594f559c798c19bf7f3f36668fc9fa00b21c6aab4797c",
    ),
    "inception_v3_keras": KerasFile(
        "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=87_910_968,
        md5="bcbd6486424b2319ff4ef7d526e38f63",
    ),
}


def of_keras(network: str, weights: str) -> KerasFile | None:
    """Return the file of the store that ``weights``, a whole name, means; None where it means others.

    Raises:
        UserError: Keras' weights fit other networks only.
    """
    if weights == STEMS.get(network):
        return FILES[network]
    if weights == "keras":
        choices = ", ".join(STEMS)
        raise UserError(f"weights=keras: there are none for model.name={network}, only for {choices}")
    return None


def keras_weights(weights: str, network: str, folders: WeightsFolders) -> Path:
    """Return Keras' ``weights`` of a network as .safetensors with a side file: from the cache, or made there.

    The file of the store is looked for in the user's folder before it is downloaded. One process of a machine does so,
    and the others wait.

    Raises:
        UserError: They are not to be had, or not to be converted; nothing is left behind.
        NotAtHandError: They would have to be downloaded, and ``folders`` forbid it.
    """
    file = FILES[network]
    cached = find_local(weights, folders.cache, None)
    if cached is not None:
        return cached
    brought = None
    if folders.own and (folders.own / file.name).is_file():
        brought = folders.own / file.name
    elif not folders.download:
        raise NotAtHandError(f"weights={weights} would be downloaded from {file.url}")
    if folders.cache is None:
        raise UserError(f"weights={weights}: set cache_dir, the folder of what is converted from {file.name}")
    target = folders.cache / f"{weights}.safetensors"
    try:
        with one_at_a_time(folders.cache / f"{weights}.lock", f"brings {target}"):
            if not target.is_file():
                _make(file, brought, network, target)
    except (OSError, HTTPException, ValueError) as error:
        missing = f"weights={weights}: {brought or file.url} was not brought to {folders.cache}: {first_line(error)}"
        place = folders.own or "a folder that weights_dir names"
        remedy = f"bring {file.name}, with its {file.size:,} bytes, to {place} (KARYOCYTE_WEIGHTS_DIR)"
        raise UserError(f"{missing}; {remedy}, or take others, such as weights=random") from error
    return target


def _make(file: KerasFile, brought: Path | None, network: str, target: Path) -> None:
    """Convert the file that the user has brought, or the download, which is then removed."""
    download = target.with_name(f".{file.name}")  # the lock is held: what a killed process has left is overwritten
    try:
        if brought is None:
            _download(file, download)
        source = brought or download
        _check(file, source)
        convert(source, network, target, f"Keras Applications, ImageNet-1k: {STORE}/{file.path}")
    finally:
        download.unlink(missing_ok=True)
    say("Keras' weights were checked and converted", str(target))


def _download(file: KerasFile, target: Path) -> None:
    say(f"downloading {file.size / 1e6:.1f} MB", file.url)
    terminal = Console(stderr=True)
    hidden = not terminal.is_terminal
    with (
        urlopen(file.url, timeout=TIMEOUT_SECONDS) as response,
        wrap_file(response, file.size, description=file.name, console=terminal, disable=hidden) as body,
        open(target, "wb") as copy,
    ):
        copyfileobj(body, copy)


def _check(file: KerasFile, path: Path) -> None:
    """Compare a file with what is known of it."""
    size = path.stat().st_size
    if size != file.size:
        raise ValueError(f"it has {size:,} bytes, not {file.size:,}: the download broke off, or it is another file")
    for kind, expected in (("md5", file.md5), ("sha256", file.sha256)):
        with open(path, "rb") as content:
            digest = hashlib.file_digest(content, partial(hashlib.new, kind, usedforsecurity=False)).hexdigest()
        if expected not in (None, digest):
            raise ValueError(f"its {kind} is {digest}, not {expected}: it is damaged, or another file")

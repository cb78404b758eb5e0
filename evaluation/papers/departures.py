"""In what a run departs from the paper's experiment: weights, image size, network, augmentation, budget."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from common.config.compose import compose_overrides
from common.config.explain import resolved
from common.errors import UserError
from common.paths import CONF
from common.runs.ensemble import member_folders
from common.runs.run import Run

# Sections whose every value counts. Rates, schedules, batches and stopping do not: most papers print none of them.
SECTIONS = ("prepare", "model.name", "model.args", "model.cut", "head", "balance", "transform")
HEAD = "head"  # the stage that trains the head alone
BUDGET = ("max_epochs", "max_images", "limit_train_batches")


def departures(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return in what runs, or the members of ensembles, depart from the experiments that they are named after.

    The configuration of a run is compared with that of its experiment in conf/experiment, as it is now, in weights,
    image size and other preparation, network, trained layers, balance, augmentation and budget. Of an ensemble whose
    members are gone nothing is known.
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
    for stage, settings in _at(paper, "unfreeze.stages").items():
        own = _at(config, f"unfreeze.stages.{stage}")
        if own is None:
            found.append(f"no stage {stage}")
        else:
            found += _differences(f"stage {stage} trains", own.get("train"), settings["train"])
    return found + _budget(_at(config, "trainer") or {}, paper["trainer"])


@cache
def of_experiment(name: str) -> dict[str, Any]:
    """Return the configuration of an experiment, as conf/ composes it; not to be changed."""
    return resolved(compose_overrides([f"+experiment={name}"]), f"experiment {name}")


def _members(run: Run) -> list[Run]:
    try:
        return [Run(folder) for folder in member_folders(run.folder, run.ensemble)]
    except UserError:
        return []


def _weights(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """Compare random with pretrained weights; of files and tags only their own makers know how they were trained."""
    own = "random" if config.get("weights") == "random" else "pretrained"
    theirs = "random" if paper["weights"] == "random" else "pretrained"
    if own != theirs:
        return [f"{own} weights instead of {theirs} ones"]
    if config.get("pretrained", {}).get("missing") == "random" and own == "pretrained":
        return ["a part of the weights may be random (pretrained.missing=random)"]
    return []


def _budget(own: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    found = []
    for key in BUDGET:
        value = own.get(key)
        if value is not None and (paper[key] is None or value < paper[key]):
            found.append(f"trainer.{key} {value}" + (f" instead of {paper[key]}" if paper[key] else ""))
    return found


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = (value or {}).get(part)
    return value


def _differences(key: str, own: Any, paper: Any) -> list[str]:
    """Compare values, mappings key by key; a key that either lacks is at its default, or of another revision."""
    if isinstance(own, Mapping) and isinstance(paper, Mapping):
        found = []
        for name in own:
            if name in paper:
                found += _differences(f"{key}.{name}", own[name], paper[name])
        return found
    if own == paper or own is None and isinstance(paper, Mapping):
        return []
    if key == "prepare.size":
        return [f"{_pixels(own)} px instead of {_pixels(paper)}"]
    return [f"{key} {own} instead of {paper}"]


def _pixels(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, list) else str(size)

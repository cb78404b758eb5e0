"""In what a run departs from the paper's experiment: data, weights, network, augmentation, budget, training."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

from karyocyte.common.composition.compose import compose_config, compose_overrides
from karyocyte.common.config.explain import resolved
from karyocyte.common.config.schema import ExtraCallbackConfig, StageConfig
from karyocyte.common.errors import UserError
from karyocyte.common.keras import weights_name
from karyocyte.common.paths import CONF, ROOT
from karyocyte.common.runs.ensemble import member_folders
from karyocyte.common.runs.run import Run
from karyocyte.evaluation.comparison.claims import read_claims, read_table

NOT_KNOWN = "configuration not known"  # of runs without config.yaml
# Keys and sections whose every value counts. Of optimiser, rates, schedule, batch and stopping only those values count
# that the paper prints: results/claims/training.csv names their keys.
DATA = ("parts", "images", "augmented", "exclude", "paper_split")
NETWORK = ("model.name", "model.args", "model.cut", "head", "context", "unfreeze.train", "pretrained.batchnorm")
SWITCHES = ("averaging.enabled", "check_and_adjust.enabled", "early_break.enabled", "extra")
CALLBACKS = tuple(f"callbacks.{name}" for name in SWITCHES)
SECTIONS = ("prepare", *NETWORK, "loss", "balance", "transform", "inference.mirror", *CALLBACKS)
BATCH = "batch"  # images of an optimiser step, which several keys make up
HEAD = "head"  # the stage that trains the head alone
EPOCHS = "trainer.max_epochs"
BUDGET: tuple[str, ...] = (EPOCHS, "trainer.max_images", "trainer.limit_train_batches")
EARLY_BREAK = ("callbacks.early_break.validation", "callbacks.early_break.train")  # a lower one ends a stage earlier
OURS = " (ours: the paper prints none)"
MISSING = object()  # the value of a key that a configuration lacks


def departures(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return in what runs, or the members of ensembles, depart from the experiments that they are named after.

    The configuration of a run is compared with that of its experiment in conf/experiment, as it is now, in weights,
    data, image size and other preparation, network, loss, trained layers, balance, augmentation, budget, and in what
    the paper prints of optimiser, rates, batch and stopping. Weights are compared by name. It is NOT_KNOWN for a run
    without config.yaml, and for an ensemble whose members are gone or predict otherwise by now.
    """
    found: list[str] = []
    for run in runs:
        folders: Sequence[Path] = [run.folder]
        if run.is_ensemble:
            try:
                folders = member_folders(run.folder, run.ensemble)
            except UserError:
                found.append(NOT_KNOWN)
                continue
        for folder in folders:
            config = Run(folder).raw_config
            found += of_config(config) if config else [NOT_KNOWN]
    return tuple(dict.fromkeys(found))


def of_config(config: Mapping[str, Any]) -> list[str]:
    """Return in what a configuration departs from the experiment that it is named after; [] where there is none."""
    name = str(config.get("name"))
    if not (CONF / "experiment" / f"{name}.yaml").is_file():
        return []
    paper = of_experiment(name)
    printed = printed_keys(name)
    found = []
    data = of_data(name)
    own_data = config.get("data", {})
    if own_data.get("source") == data.get("source"):  # another data set is for the comparison of figures to name
        for key in DATA:
            found += _differences(f"data.{key}", own_data.get(key, MISSING), data.get(key))
    found += [*_weights(config, paper), *_start(config, paper)]
    for key in SECTIONS:
        found += _differences(key, _at(config, key, MISSING), _at(paper, key))
    found += [*_stages(config, paper), *_budget(config, paper, printed)]
    for key in printed:
        found += _differences(key, _at(config, key, MISSING), _at(paper, key))
    return list(dict.fromkeys(found))


@cache
def of_experiment(name: str) -> dict[str, Any]:
    """Return the configuration of an experiment, as conf/ composes it; not to be changed."""
    return resolved(compose_overrides([f"+experiment={name}"]), f"experiment {name}")


@cache
def printed_keys(name: str) -> tuple[str, ...]:
    """Return the keys of an experiment's training whose values its paper prints; () of other experiments."""
    paper = read_claims(ROOT / "results").set_index("experiment")["paper"].get(name)
    table = read_table(ROOT / "results", "training")
    own = (table["paper"] == paper) & table["experiments"].map(partial(fnmatch, name))
    return tuple(" ".join(table.loc[own, "keys"]).split())


@cache
def of_data(name: str) -> dict[str, Any]:
    """Return the data of an experiment that a paper names, on the paper's data set; {} of other experiments."""
    source = read_claims(ROOT / "results").set_index("experiment")["dataset"].get(name)
    if source is None:
        return {}
    config = compose_config([f"+experiment={name}", f"data={source}"])
    data: dict[str, Any] = config.model_dump(mode="json")["data"]
    return data


def _weights(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """Compare weights by their names, without the folder of their file and the module at which the file ends."""
    files = (weights_name(str(run.get("weights")), _at(paper, "model.name")) for run in (config, paper))
    own, theirs = (Path(file).name.removesuffix(".safetensors").partition(".trunk_to_")[0] for file in files)
    if own != theirs:
        return [f"other weights: {own} instead of {theirs}"]
    if _at(config, "pretrained.missing") == "random" and own != "random":
        return ["a part of the weights may be random (pretrained.missing=random)"]
    return []


def _start(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """Where the paper fine-tunes from a trained head, a run of that head, from the paper's weights, may take its place.

    Nothing is known of a run that is gone.
    """
    start = config.get("init_from")
    if not start or start == paper.get("init_from"):
        return []
    own = Run(Path(start)).raw_config
    stages = (_at(own, "unfreeze.stages") or {}).values()
    head_alone = bool(stages) and not any(stage.get("train") for stage in stages) and not _at(own, "unfreeze.train")
    if HEAD in _at(paper, "unfreeze.stages") and head_alone and not own.get("init_from") and not _weights(own, paper):
        return []
    return ["starts from a run that is not known to have trained the head alone"]


def _stages(config: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    found = []
    stages = _at(config, "unfreeze.stages") or {}
    of_paper = _at(paper, "unfreeze.stages")
    for name, settings in of_paper.items():
        if name not in stages:
            found.append(f"no stage {name}")
            continue
        key = f"unfreeze.stages.{name}"
        found += _differences(f"{key}.train", stages[name].get("train", MISSING), settings["train"])
        if settings["train"]:  # BatchNorm of frozen modules is always frozen
            batchnorm = StageConfig.model_validate(settings).batchnorm
            found += _differences(f"{key}.batchnorm", stages[name].get("batchnorm", MISSING), batchnorm)
    return [*found, *(f"a further stage: {name}" for name in stages if name not in of_paper)]


def _budget(config: Mapping[str, Any], paper: Mapping[str, Any], printed: Sequence[str]) -> list[str]:
    """Name every limit that is below the experiment's: of a stage also where only all stages have one there.

    Where the paper prints the epochs, those of a stage must not be more either.
    """
    keys = BUDGET
    if _at(paper, "callbacks.early_break.enabled"):
        keys += EARLY_BREAK
    limits = {key: _at(paper, key) for key in keys}
    for name, stage in _at(paper, "unfreeze.stages").items():
        limits[f"unfreeze.stages.{name}.max_epochs"] = stage.get("max_epochs") or _at(paper, EPOCHS)
    found = []
    for key, limit in limits.items():
        value = _at(config, key)
        exact = EPOCHS in printed and key.endswith(".max_epochs")
        if value is not None and (limit is None or value < limit or (exact and value > limit)):
            ours = key.endswith(".max_epochs") and EPOCHS not in printed
            found.append(_difference(key, value, limit) + OURS * ours)
    return found


def _at(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the value of a dotted key, or of BATCH."""
    if key == BATCH:
        trainer = _at(config, "trainer") or {}
        factors = (trainer.get(name) or 1 for name in ("accumulate_grad_batches", "devices", "num_nodes"))
        return int(_at(config, "loader.batch_size") * prod(factors))
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _differences(key: str, own: Any, paper: Any) -> list[str]:
    """Compare values, mappings key by key, but arguments as a whole.

    A key that the run lacks is at its default; one that only the run has counts where it is on.
    """
    # Arguments mean something else where the class is another one.
    whole = key.endswith(".args") or "_target_" in (own if isinstance(own, Mapping) else ())
    if isinstance(own, Mapping) and isinstance(paper, Mapping) and not whole:
        found = []
        for name in own:
            default: Any = {} if isinstance(own[name], Mapping) else None
            only_records = default == {} and own[name].get("changes_result") is False  # a callback
            if not only_records and (name in paper or own[name]):
                found += _differences(f"{key}.{name}", own[name], paper.get(name, default))
        return found
    if own is MISSING or own == paper:
        return []
    return [_difference(key, own, paper)]


def _difference(key: str, own: Any, paper: Any) -> str:
    if key == "prepare.size":
        return f"{_pixels(own)} px instead of {_pixels(paper)}"
    words = f"{key.removesuffix('.name')}={_text(own)}"
    if paper in (None, {}):
        return f"{words}, none in the paper's experiment"
    return f"{words} instead of {_text(paper)}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and "_target_" in value:  # RMSprop(alpha=0.9)
        others = {"_target_", *ExtraCallbackConfig.no_arguments}
        arguments = ", ".join(f"{name}={argument}" for name, argument in value.items() if name not in others)
        return f"{value['_target_'].rpartition('.')[2]}({arguments})"
    return "null" if value is None else str(value)


def _pixels(size: Any) -> str:
    return str(size).strip("[]").replace(", ", "x")

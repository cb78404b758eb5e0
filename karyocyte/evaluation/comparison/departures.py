"""In what runs depart from the experiments that they are named after: their configuration beside that of conf/."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

from karyocyte.common.errors import UserError
from karyocyte.common.installed import conf_file
from karyocyte.common.keras import weights_name
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config
from karyocyte.evaluation.comparison.claims import read_claims, read_table
from karyocyte.runs.address import with_former
from karyocyte.runs.ensemble import member_folders
from karyocyte.runs.run import Run

NOT_KNOWN = "configuration not known"  # of runs without config.yaml
# Sections and keys that say where and how a run is computed, not what, and those that a grade has its own words for.
IGNORED = """name recipe protocol split seed evaluation logger loader data_dir weights_dir output_dir
    cache_dir follow_links alike_names data.on_broken data.file data.group_column model.weights
    callbacks.checkpoint optimizer.fused trainer.accelerator trainer.devices trainer.num_nodes trainer.sync_batchnorm
    trainer.channels_last trainer.accumulate_grad_batches trainer.enable_progress_bar trainer.deterministic
    trainer.benchmark"""
FACTORS = ("loader.batch_size", "trainer.accumulate_grad_batches", "trainer.devices", "trainer.num_nodes")


def departures(runs: Sequence[Run]) -> dict[str, bool]:
    """Return in what runs, or members of ensembles, depart from conf/experiment, and whether the paper prints that.

    It is NOT_KNOWN for a run without config.yaml, and for an ensemble whose members are gone or predict otherwise.
    """
    found: dict[str, bool] = {}
    for run in runs:
        try:
            folders = member_folders(run.folder, run.ensemble) if run.is_ensemble else [run.folder]
        except UserError:
            folders = [run.folder]
        for config in [Run(folder).raw_config for folder in folders]:
            found |= of_config(config) if config else {NOT_KNOWN: True}
    return found


def of_config(config: Mapping[str, Any]) -> dict[str, bool]:
    """Return in what a configuration departs from the experiment of its name, likewise; {} where there is none.

    A key that it lacks is at its default. On another data set than the experiment's the keys of data do not count.
    """
    name = str(config.get("name"))
    if not conf_file(f"experiment/{name}").is_file():
        return {}
    own = flat(config)
    paper = of_experiment(name, str(own.get("data.source")))
    ignored = IGNORED if own.get("data.source") == paper["data.source"] else f"{IGNORED} data"
    found = {}
    for key, value in own.items():
        other = paper.get(key)
        if value != other and (value or other) and not _is_in(key, ignored):
            found[_difference(key, value, other)] = _is_in(key, printed_keys(name))
    return found


@cache
def of_experiment(name: str, source: str) -> dict[str, Any]:
    """Return the flat configuration of an experiment as conf/ composes it, not to be changed.

    It is on the paper's data set where that is the ``source``.
    """
    claims = read_claims(ROOT / "results")
    of_paper = source in set(claims.loc[claims["experiment"] == name, "dataset"])
    config = compose_config([f"+experiment={name}", *[f"data={source}"] * of_paper])
    return flat(with_former(config, config.model_dump(mode="json")))


@cache
def printed_keys(name: str) -> str:
    """Return patterns of the keys and sections whose values an experiment's paper prints; all others are ours."""
    claims = read_claims(ROOT / "results")
    table = read_table(ROOT / "results", "training")
    own = table["paper"].isin(["*", *claims.loc[claims["experiment"] == name, "paper"]])
    return " ".join(table.loc[own & table["experiments"].map(partial(fnmatch, name)), "keys"])


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a configuration by dotted key: weights by their names, the batch of a step, the stages."""
    values = _leaves(config)
    weights = weights_name(str(values.get("weights")), str(values.get("model.name")))
    # Without the folder of a file and the module at which it ends.
    values["weights"] = Path(weights).name.removesuffix(".safetensors").partition(".trunk_to_")[0]
    values["init_from"] = "another run" if values.get("init_from") else None
    values["stages"] = list(config.get("unfreeze", {}).get("stages") or ())
    values["batch"] = prod(int(values.get(key) or 1) for key in FACTORS)
    return values


def _leaves(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a section by dotted key, without those of callbacks that only record."""
    found: dict[str, Any] = {}
    for key, value in section.items():
        if not isinstance(value, Mapping):
            found[f"{prefix}{key}"] = value
        elif value.get("changes_result") is not False:
            found |= _leaves(value, f"{prefix}{key}.")
    return found


def _is_in(key: str, sections: str) -> bool:
    return any(fnmatch(f"{key}.", f"{section}.*") for section in sections.split())


def _difference(key: str, own: Any, paper: Any) -> str:
    if key == "weights":
        return f"other weights: {own}"
    if key == "prepare.size":
        own, paper = (f"{str(size).strip('[]').replace(', ', ' x ')} px" for size in (own, paper))
        return f"{own} instead of {paper}"
    return f"{key.removesuffix('._target_')}={own}" + f" instead of {paper}" * bool(paper)

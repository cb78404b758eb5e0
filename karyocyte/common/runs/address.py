"""The address of a run: computed from what determines its result."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from karyocyte.common.files import read_yaml, sha256_of_value
from karyocyte.common.revision import revision

if TYPE_CHECKING:
    from karyocyte.common.config.schema import Config

BASE = Path(__file__).with_name("address_base.yaml")
# Keys that do not change the trained weights, or that the address holds in another way.
_WHOLE = """name data_dir weights_dir output_dir cache_dir cache_features recipe protocol seed resume init_from weights
    logger evaluation"""
UNHASHED: Any = {
    **dict.fromkeys(_WHOLE.split(), True),
    "data": {"on_broken", "file", "group_column"},
    "split": {"fold", "near_duplicates", "near_duplicate_bits"},
    "model": {"weights"},
    "loader": {"workers"},
    "inference": {"batchnorm"},
    "trainer": {"accelerator", "devices", "enable_progress_bar", "num_nodes", "sync_batchnorm"},
    "callbacks": {"checkpoint"},
}


def run_identity(config: "Config", contents: dict[str, str | None]) -> dict[str, Any]:
    """Return what distinguishes the run: the keys that change its result, and hashes of the files that it reads.

    ``contents`` has the hashes by name ("data", "weights", "init_from"), None where there is none.
    """
    hashed = config.model_dump(mode="json", exclude=UNHASHED)
    hashed["callbacks"]["extra"] = dict(config.callbacks.changing)
    if config.protocol != "paper" and config.data.paper_split is not None:
        hashed["data"]["paper_split"].pop("rounding", None)  # of older runs, which have no such key, the address stays
    _compare_with_base(hashed)
    identity = {"config": hashed, "contents": contents}
    trainer = config.trainer
    if trainer.processes > 1:  # a run of one process has no such key
        identity["processes"] = {"count": trainer.processes, "sync_batchnorm": trainer.sync_batchnorm}
    return identity


@cache
def address_base() -> dict[str, Any]:
    """Return the content of address_base.yaml, which explains it."""
    base: dict[str, Any] = read_yaml(BASE)
    return base


def _compare_with_base(values: dict[str, Any]) -> None:
    """Leave out what was added with its value of the base, and add what was removed."""
    for key, value in address_base()["added"].items():
        group, name = _group_of(values, key)
        if group.get(name, value) == value:
            group.pop(name, None)
    for key, value in _removed(values).items():
        group, name = _group_of(values, key)
        group[name] = value  # without effect where the whole group is missing


def present_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of an older run by the keys of today; a removed key that has an effect stays."""
    kept = deepcopy(dict(values))
    for key, now in address_base()["renamed"].items():
        group, name = _group_of(kept, key)
        if group.get(name):
            new_group, new_name = _group_of(kept, now)
            new_group[new_name] = group.pop(name)
    for key, value in (_removed(kept) | address_base()["unhashed"]).items():
        group, name = _group_of(kept, key)
        if group.get(name) == value:
            del group[name]
    for key in address_base()["forgotten"]:
        group, name = _group_of(kept, key)
        group.pop(name, None)
    for key, values_now in address_base()["replaced"].items():
        group, name = _group_of(kept, key)
        if name in group:
            group[name] = values_now.get(str(group[name]), group[name])
    return kept


def _removed(values: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that no run has any more, with their last values."""
    removed = dict(address_base()["removed"])
    for beside, keys in address_base()["removed_beside"].items():
        group, name = _group_of(values, beside)
        if name in group:
            removed |= keys
    return removed


def _group_of(values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that a dotted key is in, empty where there is none, and the last part of the key."""
    *groups, name = key.split(".")
    for group in groups:
        inner = values.get(group)
        values = inner if isinstance(inner, dict) else {}
    return values, name


def run_folder(config: "Config", identity: dict[str, Any]) -> Path:
    """Return ``<output_dir>/<experiment>/<protocol>-fold<i>-<8 hex>/seed=<n>``, independent of the clock."""
    part = f"{config.protocol}-fold{config.split.fold}-{sha256_of_value(identity)[:8]}"
    return Path(config.output_dir) / config.name / part / f"seed={config.seed}"


def config_fact(identity: dict[str, Any]) -> str:
    """Return what the runs of all folds of one experiment have in common, hashed to 8 hex digits."""
    return sha256_of_value([identity["config"], identity["contents"]["weights"]])[:8]


def run_facts(config: "Config", identity: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a run that its predictions hold, as far as configuration and code determine them."""
    return {
        "name": config.name,
        "protocol": config.protocol,
        "fold": config.split.fold if config.split.test == "fold" else None,
        "test": config.split.test,
        "config": config_fact(identity),
        "seed": config.seed,
        "weights": config.weights,
        "monitor": config.callbacks.monitor,
        "revision": revision(),
        "balanced": config.balance.name != "none",  # its probabilities assume classes of equal frequency
    }

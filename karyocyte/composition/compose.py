"""From Hydra's composition to the typed, frozen configuration."""

import difflib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from karyocyte.common.errors import UserError
from karyocyte.common.installed import conf_groups, run_keys
from karyocyte.composition.chosen_groups import check_chosen_groups
from karyocyte.config.cluster import CLUSTERS, SWEEP_VARIABLE, check_cluster, check_devices, clusters_with
from karyocyte.config.defaults import composition, primaries, with_recipe
from karyocyte.config.explain import NEAREST, did_you_mean, known_keys, resolved_values, validated
from karyocyte.config.overrides import check_words, key_of, quote_text
from karyocyte.config.rules import check_network, check_rules
from karyocyte.config.schema import Config, TrainingConfig, configuration_of

_FROM_RESOLVER = "UserError raised while resolving interpolation: "  # what OmegaConf puts before a message of ours
GIVEN_FOLDS = {"cnmc": 3, "hem_all": 3}  # the folds that C-NMC's training images come with
# What else there is than the files of a group.
OTHER_WAYS = {
    "model": "; any other network of timm: model.name=<name>",
    "hydra/launcher": "; jobs of Slurm: `python train.py -m ... +cluster=slurm`, of this machine: +cluster=local",
    "hydra/sweeper": "; a search by Optuna: `python scripts/tune.py +search=... +experiment=...`",
}
_DECISIVE_KEYS = ("experiment", "profile", "data", "protocol", "split")  # the number of folds depends on these
_REMEDY = "type the folds yourself, such as 'split.fold=range(0,5)'"


def compose_config(overrides: Sequence[str], primary: str = "train") -> TrainingConfig:
    """Return the configuration that ``python train.py --config-name <primary>`` would train with: composed and checked.

    ``primary`` may be left out for that of a classifier.
    """
    return check_config(compose_overrides(overrides, primary))


def compose_overrides(overrides: Sequence[str], primary: str = "train") -> DictConfig:
    """Return what Hydra composes from conf/ and the overrides, not validated; a ``UserError`` names a wrong one."""
    check_words(overrides)
    check_override_order(overrides)
    with explain_composition(primary):
        return composition(*map(quote_text, overrides), primary=primary)


def compose_job(loader: ConfigLoader, grid: DictConfig, job: Sequence[str], primary: str) -> DictConfig:
    """Return what Hydra composes for a job of a multirun, not validated; ``grid`` is what all jobs share."""
    check_override_order(job)
    with explain_composition(primary):
        composed = loader.load_sweep_config(grid, list(job))
    with open_dict(composed):
        del composed["hydra"]
    return with_recipe(composed, primary)


def check_sweep_files(loader: ConfigLoader, grid: DictConfig) -> None:
    """Refuse by a ``UserError`` what no job would have of a file of ``+sweep``, and parameters that are no texts."""
    for word in grid.hydra.overrides.task:
        if key_of(word) == "sweep":
            found: Any = OmegaConf.to_container(loader.load_sweep_config(grid, [word]))
            shared: Any = OmegaConf.to_container(loader.load_sweep_config(grid, []))
            keys = [key for key in found if key != "hydra" and found[key] != shared.get(key)]
            if "sweep" in keys:  # Hydra puts what has no package below the name of its folder
                raise UserError(f"the file of {word} has no first line `# @package _global_`: write it above the rest")
            if keys:
                remedy = "put it under hydra.sweeper.params by its whole name, below a first line `# @package _global_`"
                raise UserError(f"the file of {word} sets {', '.join(keys)} for no job: {remedy}")
            sweeper: Any = OmegaConf.to_container(grid.hydra.sweeper)
            _check_parameters(f"the file of {word}", sweeper.get("params") or {})


def _check_parameters(file: str, parameters: Mapping[str, Any]) -> None:
    for key, value in parameters.items():
        if isinstance(value, Mapping | list):
            raise UserError(f"{file}: {key} is no text: write whole names, such as unfreeze.lr, and values such as 0,1")


def check_config(composed: DictConfig) -> TrainingConfig:
    """Return the typed configuration, frozen from here on, of what Hydra composed, its recipe noted by `with_recipe`.

    A ``UserError`` names a key that is unknown or without effect on this kind of network, whose value does not fit, or
    that contradicts another.
    """
    check_devices(composed)
    for key in run_keys():
        if composed.get(key) is not None:  # a name such as chromosomes/latest means another run tomorrow
            from karyocyte.runs.names import resolve_run  # here: most trainings begin from no run

            composed[key] = str(resolve_run(Path(composed[key])))
    values = resolved_values(composed, "configuration")
    cluster = check_cluster(values.pop("cluster", None))  # where a run is trained is no part of the run
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    if cluster.name != "none" and single and SWEEP_VARIABLE not in os.environ:
        raise UserError(f"+cluster={cluster.name} is for the jobs of a multirun: add `-m`, python train.py -m ...")
    if "search" in values:
        raise UserError("+search is for a search over many runs: python scripts/tune.py +search=... +experiment=...")
    check_network(str(values["data"].get("source")), values["recipe"])
    model = configuration_of(values["recipe"])
    config = validated(model, values, others={} if model is Config else {"": Config})
    check_rules(config)
    return config


def check_override_order(overrides: Sequence[str]) -> None:
    """Refuse ``+profile`` before ``+experiment``, and a group that is mixed with others: Hydra would overrule them."""
    words = {word.partition("=")[0]: word for word in overrides}
    typed = [words[name] for name in words if name in ("+profile", "+experiment")]  # without a + it is no group
    if list(map(key_of, typed)) == ["profile", "experiment"]:
        profile, experiment = typed
        raise UserError(f"{profile} precedes {experiment} and would be overridden: type `{experiment} {profile}`")
    check_chosen_groups(overrides)


@contextmanager
def explain_composition(primary: str = "train") -> Iterator[None]:
    """Turn what Hydra says of a wrong override or a broken YAML file into a ``UserError`` of one line.

    ``primary`` is the primary configuration, whose keys are named.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error, primary)) from error
    except (ValueError, AssertionError) as error:
        # Hydra's own checks of overrides such as data=1 and +=; those of any other code are mistakes of ours.
        if Path(extract_tb(error.__traceback__)[-1].filename).parent.name not in ("_internal", "core"):
            raise
        raise UserError(f"an override cannot be read: {error}") from error


def _explain_hydra(error: Exception, primary: str) -> str:
    if isinstance(error, YAMLError) or isinstance(error.__cause__, YAMLError):
        return f"a YAML file cannot be read: {error.__cause__ or error}"
    text = " ".join(str(error).split())
    if text.startswith(_FROM_RESOLVER):  # a message of ours, which needs no words of others around it
        return str(error).splitlines()[0].removeprefix(_FROM_RESOLVER)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _explain_missing(error.missing_cfg_file, list(error.options or ()))
    return _explain_words(text, primary)


def _explain_words(text: str, primary: str) -> str:
    """Explain a message of Hydra about a key or an option that this composition lacks, or return it."""
    if null := re.match(r"(In '\S+': ).*'hydra\.sweeper\.params\.(\S+)' is not Optional", text):
        return f'{null[1]}{null[2]} is null, and parameters of a sweep are texts: type {null[2]}: "null"'
    of_task = re.match(r"In '(\w+)/(\w+)': Could not override|Error resolving interpolation '\${task}'", text)
    if of_task and primary != "train":
        chosen = f"{of_task[1]}={of_task[2]}" if of_task[1] else "+profile=demo"
        return f"{chosen} is for a classifier, not for a {primary}: leave it out, or leave out --config-name"
    added = re.match(r"Could not override '([^']+)'.* use (\+\S+=.*?)( Key |$)", text)
    return _not_composed(added[1], added[2], primary) if added else text


def _explain_missing(file: str, options: Sequence[str]) -> str:
    group, _, option = file.rpartition("/")
    if not group:
        return f"--config-name {option}: choose one of {', '.join(primaries())}"
    near = difflib.get_close_matches(option, options, n=NEAREST, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    others = OTHER_WAYS.get(group, "")
    return f"there is no {group}={option}: {meant}conf/{group}/ has {', '.join(options)}{others}"


def _not_composed(key: str, added: str, primary: str) -> str:
    """The message for a key that no YAML file of this composition has: it is misspelt, or must be ``added``."""
    if needed := clusters_with(key):
        return f"{key} needs {needed}"
    model = Config if primary == "train" else configuration_of(primary)
    known = [*known_keys(model), *conf_groups()]
    for kind in CLUSTERS.values():
        known += known_keys(kind, "cluster")
    others = [name for name in known if not key.startswith(f"{name}.")]  # model.args takes any key
    can_be_added = key in known or len(others) < len(known)
    meant = did_you_mean(key, others) if key not in known else ""
    remedy = f"add it as `{shlex.quote(added)}`" if can_be_added else "leave it out"
    return f"{key} is in no file of conf/ that this run uses: {' If not, '.join(filter(None, [meant, remedy]))}"


def all_folds(*, _root_: DictConfig) -> int:
    """Return the number of folds of the one data set that all jobs of a sweep share: ``${all_folds:}`` in conf/sweep.

    A ``UserError``: the jobs may differ in it, the images must be read to know it, or there are no folds.
    """
    keys = list(_root_.hydra.sweeper.params)
    for override in OverridesParser.create().parse_overrides(list(_root_.hydra.overrides.task)):
        if override.key_or_group == "split.fold":
            return 1  # it is overridden
        if override.is_sweep_override():
            keys.append(override.get_key_element())
    for key in keys:
        name = key_of(key)
        if name != "split.fold" and name.split(".")[0] in _DECISIVE_KEYS:
            raise UserError(f"{key} may change the number of folds from job to job: {_REMEDY}")
    if _root_.split.test != "fold":
        raise UserError(f"split.test={_root_.split.test} is one given part without folds: set `split.test=fold`")
    if _root_.protocol != "subject":
        return int(_root_.split.folds)
    if _root_.data.get("part_column"):
        raise UserError(f"only the table knows its folds (data.part_column={_root_.data.part_column}): {_REMEDY}")
    return GIVEN_FOLDS.get(_root_.data.source, int(_root_.split.folds))


def protocol_of_own_images(*, _root_: DictConfig) -> str:
    """Return ``${protocol_of_own_images:}``: "image" where ``data`` has keys for subjects or parts, and none is set."""
    keys = ("subject_regex", "subject_column", "part_column")
    has_no_key = not any(key in _root_.data for key in keys)  # a source of a user's own
    return "subject" if has_no_key or any(map(_root_.data.get, keys)) else "image"


OmegaConf.register_new_resolver("all_folds", all_folds, replace=True)
OmegaConf.register_new_resolver("protocol_of_own_images", protocol_of_own_images, replace=True)

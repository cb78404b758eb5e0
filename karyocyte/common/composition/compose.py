"""From Hydra's composition to the typed, frozen configuration."""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from traceback import extract_tb

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from karyocyte.common.composition.chosen_groups import check_chosen_groups
from karyocyte.common.config.cluster import SHARED, SWEEP_VARIABLE, LocalConfig, SlurmConfig, check_cluster, set_trainer
from karyocyte.common.config.defaults import composition
from karyocyte.common.config.explain import NEAREST, known_keys, resolved, unknown_key, validated
from karyocyte.common.config.overrides import check_words, key_of, quote_path
from karyocyte.common.config.rules import check_rules
from karyocyte.common.config.schema import Config
from karyocyte.common.errors import UserError
from karyocyte.common.runs.names import resolve_run

_FROM_RESOLVER = "UserError raised while resolving interpolation: "  # what OmegaConf puts before a message of ours
GIVEN_FOLDS = {"cnmc": 3, "hem_all": 3}  # the folds that C-NMC's training images come with
_DECISIVE_KEYS = ("experiment", "profile", "data", "protocol", "split")  # the number of folds depends on these
_REMEDY = "type the folds yourself, such as 'split.fold=range(0,5)'"


def compose_config(overrides: Sequence[str]) -> Config:
    """Return the configuration that ``python train.py`` would train with these overrides: composed and checked."""
    return check_config(compose_overrides(overrides))


def compose_overrides(overrides: Sequence[str]) -> DictConfig:
    """Return what Hydra composes from conf/ and the overrides, not validated; a ``UserError`` names a wrong one."""
    check_words(overrides)
    check_override_order(overrides)
    with explain_composition():
        return composition(*map(quote_path, overrides))


def check_config(composed: DictConfig, overrides: Sequence[str] = ()) -> Config:
    """Return the typed configuration, frozen from here on, of what Hydra composed.

    A ``UserError`` names a key that is unknown, whose value does not fit, or that contradicts another or ``overrides``.
    """
    set_trainer(composed, overrides)
    if composed.init_from is not None:  # a name such as chromosomes/latest means another run tomorrow
        composed.init_from = str(resolve_run(Path(composed.init_from)))
    values = resolved(composed, "configuration")
    cluster = check_cluster(values.pop("cluster", None))  # where a run is trained is no part of the run
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    if cluster.name != "none" and single and SWEEP_VARIABLE not in os.environ:
        raise UserError(f"+cluster={cluster.name} is for the jobs of a multirun: add -m, python train.py -m ...")
    if "search" in values:
        raise UserError("+search is for a search over many runs: python scripts/tune.py +search=... +experiment=...")
    config = validated(Config, values)
    check_rules(config)
    return config


def check_override_order(overrides: Sequence[str]) -> None:
    """Refuse ``+profile`` before ``+experiment``, ``+tuned`` before either, and a group that is mixed with others.

    Hydra would overrule each of them silently.
    """
    groups = list(map(key_of, overrides))
    typed = [groups.index(name) for name in ("experiment", "profile", "tuned") if name in groups]
    for first, second in pairwise(typed):
        if second < first:
            right = f"{overrides[first]} {overrides[second]}"
            raise UserError(f"{overrides[second]} precedes {overrides[first]} and would be overridden: type `{right}`")
    check_chosen_groups(overrides)


@contextmanager
def explain_composition() -> Iterator[None]:
    """Turn what Hydra says of a wrong override or a broken YAML file into a ``UserError`` of one line."""
    try:
        yield
    except OverrideParseException as error:
        raise UserError(f"cannot read the override {error.override!r}: quote what the shell or Hydra takes") from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error)) from error
    except (ValueError, AssertionError) as error:
        # Hydra's own checks of overrides such as data=1 and +=; those of any other code are mistakes of ours.
        if Path(extract_tb(error.__traceback__)[-1].filename).parent.name not in ("_internal", "core"):
            raise
        raise UserError(f"an override cannot be read ({error}): a group takes the name of a file, data=cnmc") from error


def _explain_hydra(error: Exception) -> str:
    if isinstance(error, YAMLError) or isinstance(error.__cause__, YAMLError):
        return f"a YAML file cannot be read: {error.__cause__ or error}"
    first = str(error).strip().splitlines()[0]
    if first.startswith(_FROM_RESOLVER):
        return first.removeprefix(_FROM_RESOLVER)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        options = list(error.options or ())
        near = difflib.get_close_matches(option, options, n=NEAREST, cutoff=0.5)
        others = {"model": "; any other network of timm: model.name=<name>"}.get(group, "")
        listed = f"conf/{group}/ has {', '.join(options)}{others}"
        if near:
            listed = f"did you mean {' or '.join(near)}? (conf/{group}/ has them all{others})"
        return f"there is no {group}={option}: {listed}"
    name = re.search(r"'([^']+)'", first)
    if name and first.startswith("Ambiguous value"):
        return f"{name[1]} names several values: add -m to train one run for each, python train.py -m ..."
    if name and first.startswith("Could not override"):
        return _not_composed(name[1])
    return " ".join(str(error).split())


def _not_composed(key: str) -> str:
    """The message for a key that no YAML file of this composition has: it is unknown, or must be added."""
    known = known_keys(Config)
    for kind, model in (("slurm", SlurmConfig), ("local", LocalConfig)):
        keys = known_keys(model, "cluster")
        if key in keys:
            same = SHARED.get(key.removeprefix("cluster."))
            return f"{key} is a key of +cluster={kind}: add that" + (f", or set trainer.{same}" if same else "")
        known += keys
    if key in known:
        added = f"+{key}=<value>, or a key of a mapping as +{key}.<key>=<value>"
        return f"{key} is in no file of conf/ that this run uses: add it as {added}"
    return unknown_key(key, known)


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
        raise UserError(f"split.test={_root_.split.test} is one given part without folds: set split.test=fold")
    if _root_.protocol != "subject":
        return int(_root_.split.folds)
    if _root_.data.get("part_column"):
        raise UserError(f"only the table knows its folds (data.part_column={_root_.data.part_column}): {_REMEDY}")
    return GIVEN_FOLDS.get(_root_.data.source, int(_root_.split.folds))


def protocol_of_own_images(*, _root_: DictConfig) -> str:
    """Return ``${protocol_of_own_images:}``: "subject" where ``data`` says how subjects or parts are found."""
    known = [_root_.data.get(key) for key in ("subject_regex", "subject_column", "part_column")]
    return "subject" if any(known) else "image"


OmegaConf.register_new_resolver("all_folds", all_folds, replace=True)
OmegaConf.register_new_resolver("protocol_of_own_images", protocol_of_own_images, replace=True)

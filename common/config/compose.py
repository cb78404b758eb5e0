"""From Hydra's composition to the typed, frozen configuration."""

import os
from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

import common.config.resolvers  # noqa: F401 - what conf/sweep/folds.yaml counts with
from common.config.cluster import ClusterConfig, check_cluster
from common.config.explain import explain, explain_composition
from common.config.overrides import check_words, quote_path
from common.config.rules import check_rules
from common.config.schema import Config
from common.errors import UserError
from common.paths import CONF
from common.sweeps.records import VARIABLE


def compose_config(overrides: Sequence[str]) -> Config:
    """Return the configuration that ``python train.py`` would train with: composed and checked.

    Args:
        overrides: As on the command line, such as ``["+experiment=resnet50_cut_block5", "seed=1"]``.

    Raises:
        UserError: See :func:`compose_overrides` and :func:`check_config`.
    """
    return check_config(compose_overrides(overrides))


def compose_overrides(overrides: Sequence[str]) -> DictConfig:
    """Return what Hydra composes from conf/ and the overrides, not validated yet.

    Raises:
        UserError: An override cannot be read, or names an unknown key.
    """
    check_words(overrides)
    check_override_order(overrides)
    # As a context it restores the state of Hydra that a surrounding hydra.main has.
    with explain_composition(), initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [quote_path(override) for override in overrides])


def check_config(composed: DictConfig) -> Config:
    """Return the typed configuration, frozen from here on.

    Args:
        composed: What Hydra composed; interpolations are resolved here.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), a value has the wrong type or range, an
            interpolation does not resolve, or values contradict one another.
    """
    try:
        values: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"configuration: {str(error).splitlines()[0]}") from error
    _check_mode(check_cluster(values.pop("cluster", None)))  # where a run is trained is no part of the run
    if "search" in values:
        raise UserError("+search is for a search over many runs: python scripts/tune.py +search=... +experiment=...")
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error)) from error
    check_rules(config)
    return config


def _check_mode(cluster: ClusterConfig) -> None:
    """Only a multirun, or a script of scripts/sbatch.py, sends jobs to a cluster: a single run would stay here."""
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    if cluster.name != "none" and single and VARIABLE not in os.environ:
        raise UserError(f"+cluster={cluster.name} is for the jobs of a multirun: add -m, python train.py -m ...")


def check_override_order(overrides: Sequence[str]) -> None:
    """Refuse ``+profile`` typed before ``+experiment``: Hydra would let the experiment overrule it silently.

    Raises:
        UserError: Naming the right order.
    """
    groups = [override.lstrip("+").split("=")[0] for override in overrides]
    if "profile" in groups and "experiment" in groups and groups.index("profile") < groups.index("experiment"):
        profile, experiment = (overrides[groups.index(name)] for name in ("profile", "experiment"))
        raise UserError(f"{profile} precedes {experiment} and would be overruled: type `{experiment} {profile}`")

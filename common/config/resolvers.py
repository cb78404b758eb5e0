"""Over how many folds a sweep goes: what ``${all_folds:}`` stands for in conf/sweep/folds.yaml."""

from collections.abc import Iterator

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from common.errors import UserError

GIVEN = {"cnmc": 3, "hem_all": 3}  # the folds that C-NMC's training images lie in
_DECIDE = ("experiment", "profile", "data", "protocol", "split")  # what the number of folds depends on
_TYPE_THEM = "type the folds yourself, such as 'split.fold=range(0,5)'"


def all_folds(*, _root_: DictConfig) -> int:
    """Return the number of folds of the one data set that all jobs of the sweep share.

    Args:
        _root_: What Hydra composed for the sweep as a whole: of its jobs, it knows what they have in common.

    Raises:
        UserError: The jobs may differ in it, the images must be read to know it, or there are no folds.
    """
    if "split.fold" in _typed(_root_):
        return 1  # it is overruled
    if swept := [key for key in (*_swept(_root_), *_root_.hydra.sweeper.params) if _decides(key)]:
        raise UserError(f"{swept[0]} may change the number of folds from job to job: {_TYPE_THEM}")
    data = _root_.data
    split = _root_.split
    if split.test != "fold":
        raise UserError(
            f"split.test={split.test} is one given part, there are no folds to go over: say split.test=fold"
        )
    if _root_.protocol != "subject":
        return split.folds
    if data.get("part_column"):
        raise UserError(f"only the table knows its folds (data.part_column={data.part_column}): {_TYPE_THEM}")
    return GIVEN.get(data.source, split.folds)


def _typed(composed: DictConfig) -> list[str]:
    return [override.key_or_group for override in _parsed(composed)]


def _swept(composed: DictConfig) -> Iterator[str]:
    """The keys of the overrides that name several values."""
    return (override.get_key_element() for override in _parsed(composed) if override.is_sweep_override())


def _parsed(composed: DictConfig) -> list:
    return OverridesParser.create().parse_overrides(list(composed.hydra.overrides.task))


def _decides(key: str) -> bool:
    name = key.lstrip("+~")
    return name != "split.fold" and name.split(".")[0] in _DECIDE


OmegaConf.register_new_resolver("all_folds", all_folds, replace=True)

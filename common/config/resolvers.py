"""The number of folds of a sweep: the value of ``${all_folds:}`` in conf/sweep/folds.yaml."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from common.errors import UserError

GIVEN_FOLDS = {"cnmc": 3, "hem_all": 3}  # the folds that C-NMC's training images come with
_DECISIVE_KEYS = ("experiment", "profile", "data", "protocol", "split")  # the number of folds depends on these
_REMEDY = "type the folds yourself, such as 'split.fold=range(0,5)'"


def all_folds(*, _root_: DictConfig) -> int:
    """Return the number of folds of the one data set that all jobs of a sweep, composed as ``_root_``, share.

    Raises:
        UserError: The jobs may differ in it, the images must be read to know it, or there are no folds.
    """
    overrides = OverridesParser.create().parse_overrides(list(_root_.hydra.overrides.task))
    if any(override.key_or_group == "split.fold" for override in overrides):
        return 1  # it is overridden
    swept = [override.get_key_element() for override in overrides if override.is_sweep_override()]
    for key in (*swept, *_root_.hydra.sweeper.params):
        name = key.lstrip("+~")
        if name != "split.fold" and name.split(".")[0] in _DECISIVE_KEYS:
            raise UserError(f"{key} may change the number of folds from job to job: {_REMEDY}")
    data = _root_.data
    if _root_.split.test != "fold":
        raise UserError(f"split.test={_root_.split.test} is one given part without folds: set split.test=fold")
    if _root_.protocol == "subject" and data.get("part_column"):
        raise UserError(f"only the table knows its folds (data.part_column={data.part_column}): {_REMEDY}")
    folds = int(_root_.split.folds)
    if _root_.protocol == "subject":
        return GIVEN_FOLDS.get(data.source, folds)
    return folds


OmegaConf.register_new_resolver("all_folds", all_folds, replace=True)

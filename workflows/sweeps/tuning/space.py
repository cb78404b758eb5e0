"""The space of a search, checked against the configuration before anything heavy is imported."""

from collections.abc import Mapping

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common.config.compose import check_config
from common.config.schema import Config
from common.errors import UserError
from workflows.sweeps.tuning.settings import SearchConfig, Value

# What a search rests on: it cannot be searched. The last line decides on the validation images, and trials that are
# evaluated on different images cannot be compared.
FIXED = ["name", "output_dir", "cache_dir", "resume", "callbacks.monitor", "logger", "evaluation"]
FIXED += ["data", "data_dir", "protocol", "split", "trainer.limit_val_batches"]


def check_space(search: SearchConfig, composed: DictConfig) -> Config:
    """Check the configuration as it is, and with each value at the ends of the space; return it as it is.

    Raises:
        UserError: A key of the space is unknown or cannot be searched, or takes none of its values.
    """
    config = check_config(composed)
    if config.resume == "never":
        raise UserError("resume=never: a search continues what it finds, leave resume=auto")
    for key, dimension in search.space.items():
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED):
            raise UserError(f"search.space: {key} cannot be searched, the search itself rests on it")
        for value in dimension.extremes:
            try:
                with_values(composed, {key: value})
            except UserError as error:
                raise UserError(f"search.space: {error}") from error
    return config


def with_values(composed: DictConfig, values: Mapping[str, Value]) -> Config:
    """Return the typed configuration with some keys set; a ``UserError`` says that a key or value is wrong."""
    changed = composed.copy()
    for key, value in values.items():
        try:
            OmegaConf.update(changed, key, value, force_add=True)
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            raise UserError(f"unknown key {key}: {str(error).splitlines()[0]}") from error
    return check_config(changed)

"""The typed schema of conf/predict.yaml: how images are predicted, and how many are saved at once."""

from pydantic import PositiveInt

from common.config.base import FROM_YAML, StrictModel
from common.config.command import read_section


class PredictConfig(StrictModel, defaults="predict"):
    """All keys of conf/predict.yaml."""

    fast_network: bool = FROM_YAML
    chunk_size: PositiveInt = FROM_YAML


def load_predict_config() -> PredictConfig:
    """Read conf/predict.yaml.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), or a value has the wrong type or range.
    """
    return read_section(PredictConfig)

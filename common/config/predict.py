"""The typed schema of conf/predict.yaml: how images are predicted, and reviewed."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from common.config.base import FROM_YAML, Folder, StrictModel, listed

Rule = Literal["votes", "release", "positive", "confidence", "conformal"]


class PredictConfig(StrictModel, defaults="predict"):
    """All keys of conf/predict.yaml."""

    passes: Annotated[int, Field(ge=0)] | None = FROM_YAML
    rules: Annotated[tuple[Rule, ...] | None, BeforeValidator(listed)] = FROM_YAML
    batchnorm: Literal["trained", "images"] | None = FROM_YAML
    runtime: Literal["torch", "onnx"] | None = FROM_YAML
    cache_dir: Folder | None = FROM_YAML

"""The configurations of the trainings of a detector, a cutter and a refiner."""

from typing import Any, Literal

from pydantic import PositiveFloat

from karyocyte.config.base import FROM_YAML, Folder, Share, StrictModel
from karyocyte.config.schema import TrainingConfig

REFINED_SIDE = 80  # pixels of the images of boxes that a refiner sees


class PictureCanvasConfig(StrictModel, defaults="train:prepare.canvas"):
    """The scale of a whole picture."""

    scale: PositiveFloat = FROM_YAML


class PictureConfig(StrictModel, defaults="train:prepare"):
    """The preparation of pictures of whole metaphases for a detector."""

    background: Literal["black", "detect"] = FROM_YAML
    canvas: PictureCanvasConfig = FROM_YAML


class DecoderConfig(StrictModel, defaults="train:head"):
    """The decoder of a detector, its only layer."""

    layers: tuple[str | dict[str, Any], ...] = FROM_YAML


class PictureEvaluationConfig(StrictModel, defaults="train:evaluation"):
    """How what is found in pictures of metaphases is evaluated."""

    confidence: Share = FROM_YAML


class DetectorConfig(TrainingConfig, defaults="train"):
    """The whole configuration of a detector's run."""

    recipe: Literal["detector"]
    prepare: PictureConfig = FROM_YAML
    head: DecoderConfig = FROM_YAML
    evaluation: PictureEvaluationConfig = FROM_YAML


class CutterConfig(TrainingConfig, defaults="train"):
    """The whole configuration of a cutter's run, whose pictures are composed in full size."""

    recipe: Literal["cutter"]
    evaluation: PictureEvaluationConfig = FROM_YAML


class RefinerConfig(TrainingConfig, defaults="train"):
    """The whole configuration of a refiner's run, whose pictures are seen in full size."""

    recipe: Literal["refiner"]
    detector: Folder | None
    evaluation: PictureEvaluationConfig = FROM_YAML

    @property
    def backbone_size(self) -> int | tuple[int, int]:
        """Side of the images of boxes, in pixels."""
        return REFINED_SIDE


MetaphaseConfig = DetectorConfig | CutterConfig | RefinerConfig

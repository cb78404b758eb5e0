"""The configurations of the trainings of a detector, a cutter and a refiner."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from karyocyte.config.base import FROM_YAML, Folder, Share, StrictModel
from karyocyte.config.schema import TrainingConfig

REFINED_SIDE = 80  # pixels of the images of boxes that a refiner sees


class PictureCanvasConfig(StrictModel, defaults="detector:prepare.canvas"):
    """The scale of a whole picture."""

    scale: PositiveFloat = FROM_YAML


class PictureConfig(StrictModel, defaults="detector:prepare"):
    """The preparation of pictures of whole metaphases for a detector."""

    canvas: PictureCanvasConfig = FROM_YAML


class DecoderConfig(StrictModel, defaults="detector:decoder"):
    """The decoder of a detector."""

    width: Annotated[PositiveInt, Field(multiple_of=8)] = FROM_YAML


class PictureEvaluationConfig(StrictModel, defaults="detector:evaluation"):
    """How what is found in pictures of metaphases is evaluated."""

    confidence: Share = FROM_YAML


class DetectorConfig(TrainingConfig, defaults="detector"):
    """The whole configuration of a detector's run."""

    recipe: Literal["detector"] = "detector"
    prepare: PictureConfig = FROM_YAML
    decoder: DecoderConfig = FROM_YAML
    evaluation: PictureEvaluationConfig = FROM_YAML


class CutterConfig(TrainingConfig, defaults="cutter"):
    """The whole configuration of a cutter's run, whose pictures are composed in full size."""

    recipe: Literal["cutter"] = "cutter"
    evaluation: PictureEvaluationConfig = FROM_YAML


class RefinerConfig(TrainingConfig, defaults="refiner"):
    """The whole configuration of a refiner's run, whose pictures are seen in full size."""

    recipe: Literal["refiner"] = "refiner"
    detector: Folder | None = FROM_YAML
    evaluation: PictureEvaluationConfig = FROM_YAML

    @property
    def backbone_size(self) -> int | tuple[int, int]:
        """Side of the images of boxes, in pixels."""
        return REFINED_SIDE


MetaphaseConfig = DetectorConfig | CutterConfig | RefinerConfig

"""Names that the command line of explanations offers."""

from enum import StrEnum


class AttributionMethod(StrEnum):
    """Methods of heat maps, see ``evaluation.explain.attribution``."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS = "gradcam++"
    HIRESCAM = "hirescam"
    EIGENCAM = "eigencam"
    OCCLUSION = "occlusion"
    INTEGRATED_GRADIENTS = "integrated_gradients"


class Which(StrEnum):
    """Groups of test images."""

    RIGHT = "right"
    WRONG = "wrong"
    DOUBTFUL = "doubtful"

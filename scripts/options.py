"""Options that several command lines share."""

from enum import StrEnum
from typing import Annotated

import typer


class Method(StrEnum):
    """How validation chooses the operating threshold."""

    YOUDEN = "youden"
    F1 = "f1"
    SENSITIVITY = "sensitivity"


Threshold = Annotated[Method, typer.Option(help="How validation chooses the threshold.")]
Sensitivity = Annotated[float, typer.Option(min=0.01, max=0.999, help="Sensitivity that the threshold must keep.")]

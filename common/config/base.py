"""What the models of the schema are made of: frozen, unknown keys forbidden, and kinds of numbers with a range."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# A name becomes a folder's: no separator, and it does not begin with a dot.
Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
Pixels = Annotated[int, Field(ge=8)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class StrictModel(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True)

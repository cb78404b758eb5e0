"""What the models of the schema share: frozen, unknown keys forbidden, defaults from conf/, numbers with a range."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from karyocyte.config.defaults import section_defaults

# A name becomes a folder's: no separator, and it does not begin with a dot.
Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
Folder = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]  # ~ is the home
Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # as NumPy and Lightning take them
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$")]
Pixels = Annotated[int, Field(ge=8, le=8192)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
# The default of this key is in the YAML section that its model names; to pydantic such a key is required.
FROM_YAML: Any = ...


def text_items(value: Any) -> Any:
    """Divide a text with commas, as it is typed on a command line, into a list: a validator for such keys."""
    return re.split(r"\s*,\s*", value.strip()) if isinstance(value, str) else value


class StrictModel(BaseModel):
    """Frozen; an unknown key is an error; a key that is left out has its value in conf/.

    A subclass names the section of its defaults: ``class LoaderConfig(StrictModel, defaults="train:loader")``. Only a
    key that no file of conf/ has may have a default in the schema. ``former`` are keys of earlier versions
    with the value that is a constant now: a file may have them, at this value.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True, allow_inf_nan=False
    )
    defaults_section: ClassVar[str | None] = None
    former: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, defaults: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.defaults_section = defaults

    @model_validator(mode="before")
    @classmethod
    def _without_former(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {key: value for key, value in values.items() if key not in cls.former or value != cls.former[key]}

    @model_validator(mode="before")
    @classmethod
    def _add_defaults(cls, values: Any) -> Any:
        if cls.defaults_section is None or not isinstance(values, Mapping):
            return values
        defaults = section_defaults(cls.defaults_section)
        if cls.model_config["extra"] == "allow" and "_target_" not in values:
            return {**defaults, **values}  # the arguments of another class are not those of the section
        added: dict[str, Any] = {}
        for key, field in cls.model_fields.items():
            if key in values:
                continue
            if getattr(field.annotation, "defaults_section", None):
                added[key] = {}  # a group with a section of its own
            elif key in defaults:
                added[key] = defaults[key]
        return {**added, **values}


class ClassConfig(StrictModel):
    """A class by its dotted name, ``_target_``, whose arguments are the further keys: see `build`."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _names_a_class(self) -> "ClassConfig":
        if not isinstance(self.target, str):
            raise ValueError("_target_ is missing: write {_target_: <module>.<class>, <argument>: ...}")
        return self

    @property
    def target(self) -> Any:
        """The dotted name of the class."""
        return self.entry.get("_target_")

    @property
    def entry(self) -> dict[str, Any]:
        """``_target_`` and the arguments of the class."""
        return dict(self.model_extra or {})

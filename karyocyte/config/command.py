"""The language of all commands: ``RUN... key=value ...``, where the keys are those of sections of conf/."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from karyocyte.common.errors import UserError
from karyocyte.config.base import StrictModel
from karyocyte.config.defaults import section_defaults
from karyocyte.config.explain import Model, resolved_values, validated

_OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=.*", re.ASCII | re.DOTALL)


class Request(StrictModel):
    """What a command is asked for: its options, the paths among its words, and the settings that overrides change.

    A field of a subclass whose type is a section of conf/ holds these settings, typed and checked. The keys of the
    first section stand alone, those of the others follow the name of their section:
    ``population=50 evaluation.resamples=200``.
    """

    paths: list[Path] = []
    overrides: list[str] = []  # as they were typed

    @classmethod
    def read(cls, words: Sequence[str] | None = None, **options: Any) -> Self:
        """Read the words of a command line, and check them together with its options.

        Raises:
            UserError: A key is unknown, with the nearest right ones, or its value does not fit; or see ``check``.
        """
        paths, overrides = split_words(words or ())
        request = cls(paths=paths, overrides=overrides, **cls._read_sections(overrides), **options)
        request.check()
        return request

    def check(self) -> None:
        """Check what is asked for as far as this is possible without networks and images, which take seconds."""

    @classmethod
    def _read_sections(cls, overrides: Sequence[str]) -> dict[str, StrictModel]:
        annotations: dict[str, Any] = {name: field.annotation for name, field in cls.model_fields.items()}
        sections = {name: model for name, model in annotations.items() if getattr(model, "defaults_section", None)}
        others = list(sections.values())[1:]
        settings: dict[str, StrictModel] = {}
        for field, model in reversed(sections.items()):
            name = f"{_name(model)}."
            own = [override.removeprefix(name) for override in overrides if override.startswith(name)]
            overrides = [override for override in overrides if not override.startswith(name)]
            if model in others:
                settings[field] = read_section(model, own, _name(model))
            else:
                settings[field] = read_section(model, [*own, *overrides], others=others)
        return settings


def split_words(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Divide the words of a command line into paths and overrides; ``seed=0`` is a path where it exists."""
    overrides = [word for word in words if _OVERRIDE.fullmatch(word) and not Path(word).exists()]
    return [Path(word) for word in words if word not in overrides], overrides


def read_section(
    model: type[Model], overrides: Sequence[str] = (), name: str = "", others: Sequence[type[StrictModel]] = ()
) -> Model:
    """Return a section of conf/ with overrides such as ``loss=0.01``, read as YAML.

    A ``UserError`` puts ``name`` before a wrong key, and may name keys of the sections ``others`` as well.
    """
    assert model.defaults_section is not None, f"{model.__name__} names no section of conf/"
    try:
        merged = OmegaConf.merge(section_defaults(model.defaults_section), OmegaConf.from_dotlist(list(overrides)))
    except (OmegaConfBaseException, YAMLError) as error:
        raise UserError(f"{' '.join(overrides)}: {' '.join(str(error).splitlines()[:2])}") from error
    values = resolved_values(merged, name or _name(model))
    return validated(model, values, name, {_name(other): other for other in others})


def _name(model: type[StrictModel]) -> str:
    """The name of a model's section: "evaluation" of "train:evaluation"."""
    return str(model.defaults_section).rpartition(":")[2]

"""The typed settings of sources."""

from omegaconf import OmegaConf
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from karyocyte.config.defaults import composition
from karyocyte.config.sources import DataConfig, SourceConfig


def source_config(name: str, **keys: object) -> SourceConfig:
    """Return the settings of ``conf/data/<name>.yaml`` with ``keys`` in their place."""
    defaults = composition(f"data={name}").data
    OmegaConf.set_struct(defaults, False)
    merged = OmegaConf.merge(defaults, to_jsonable_python(keys))
    return TypeAdapter(DataConfig).validate_python(OmegaConf.to_container(merged, resolve=True))

"""The typed settings of sources."""

from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python

from datamodules.sources import sources
from karyocyte.common.config.data import SourceConfig
from karyocyte.common.config.defaults import composition
from karyocyte.common.config.explain import validated


def source_config(name: str, **keys: object) -> SourceConfig:
    """Return the settings of ``conf/data/<name>.yaml`` with ``keys`` in their place."""
    defaults = composition(f"data={name}").data
    OmegaConf.set_struct(defaults, False)
    merged = OmegaConf.merge(defaults, to_jsonable_python(keys))
    return validated(sources()[defaults["source"]].config, OmegaConf.to_container(merged, resolve=True), "data")

"""The typed settings of sources, and their images."""

from pathlib import Path

from omegaconf import OmegaConf
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from datamodules.manifest.manifest import Manifest
from datamodules.manifest.scan import scan_listing
from datamodules.sources import SourceContext, list_source
from karyocyte.config.defaults import composition
from karyocyte.config.sources import DataConfig, SourceConfig


def source_config(name: str, **keys: object) -> SourceConfig:
    """Return the settings of ``conf/data/<name>.yaml`` with ``keys`` in their place."""
    defaults = composition(f"data={name}").data
    OmegaConf.set_struct(defaults, False)
    merged = OmegaConf.merge(defaults, to_jsonable_python(keys))
    return TypeAdapter(DataConfig).validate_python(OmegaConf.to_container(merged, resolve=True))


def list_images(data: SourceConfig, data_dir: str | Path | None, cache_dir: Path, progress: bool = True) -> Manifest:
    """List the images of a source without opening them."""
    return list_source(data, SourceContext(None if data_dir is None else str(data_dir), Path(cache_dir), progress))


def scan(data: SourceConfig, data_dir: str | Path | None, cache_dir: Path, progress: bool = True) -> Manifest:
    """List the images of a source and open each once."""
    return scan_listing(list_images(data, data_dir, cache_dir, progress), data.on_broken, cache_dir, progress)

"""Paper 003's data: C-NMC 2019, whose ALL it subsamples and whose HEM it turns (`datamodules.expansion`)."""

from dataclasses import replace

from common.schema import HemAllConfig
from datamodules.manifest import Listing
from datamodules.sources.cnmc import list_cnmc


def list_hem_all(data: HemAllConfig, data_dir: str | None) -> Listing:
    """List C-NMC 2019 as `list_cnmc` does; what the paper does with it comes later, and depends on the protocol."""
    return replace(list_cnmc(data, data_dir), source="hem_all")

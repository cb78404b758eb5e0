"""Where files of weights lie."""

from dataclasses import dataclass
from pathlib import Path

from karyocyte.common.errors import UserError


class NotDownloadedError(UserError):
    """Weights are in no folder, and nothing is to be downloaded."""


@dataclass(frozen=True)
class WeightsFolders:
    """Where files of weights lie."""

    own: Path | None = None  # the user's folder, ``weights_dir``
    cache: Path | None = None  # what is downloaded from Keras' store is kept here
    downloads: bool = True  # whether what is missing is downloaded

    @classmethod
    def from_config(cls, weights_dir: str | None, cache_dir: str) -> "WeightsFolders":
        """Return those of the two keys of the configuration."""
        own = Path(weights_dir).expanduser() if weights_dir else None
        return cls(own, Path(cache_dir).expanduser() / "weights")

"""Where files of weights lie; a training from random weights loads no more of them."""

from dataclasses import dataclass
from pathlib import Path

from karyocyte.config.schema import TrainingConfig


@dataclass(frozen=True)
class WeightsFolders:
    """Where files of weights lie."""

    own: Path | None = None  # the user's folder, ``weights_dir``
    cache: Path | None = None  # what is converted is kept here
    downloads: bool = True  # whether what is missing is downloaded

    @classmethod
    def from_config(cls, config: TrainingConfig) -> "WeightsFolders":
        """Return those of the two keys of the configuration."""
        own = Path(config.weights_dir).expanduser() if config.weights_dir else None
        return cls(own, Path(config.cache_dir).expanduser() / "weights")

"""Cases of speed: ours beside its best alternatives, in turn."""

import datamodules.transforms  # noqa: F401 - first of all: it keeps albumentations from asking for updates

"""Random transforms of training images, and augmentation before the split."""

import os

# albumentations asks the network for a newer version on every import, and waits where there is none.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

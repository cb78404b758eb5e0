"""Random transforms of training images, and augmentation before the split."""

"""The table of images: scanning, splits, leakage, class balance."""

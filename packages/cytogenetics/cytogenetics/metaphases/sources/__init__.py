"""Sources of pictures of metaphases with a box per chromosome."""

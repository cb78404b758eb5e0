"""Everything before the batch: from files on disk to prepared, split and balanced images."""

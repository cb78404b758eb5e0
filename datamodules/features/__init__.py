"""Features of images in place of the images: computed once, kept on disk, served in batches."""

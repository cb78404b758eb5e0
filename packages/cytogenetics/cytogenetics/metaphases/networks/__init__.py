"""The detector of chromosomes in pictures of metaphases."""

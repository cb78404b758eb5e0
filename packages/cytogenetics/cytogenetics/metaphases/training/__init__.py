"""The detector of chromosomes in pictures of metaphases: its training and its evaluation."""

"""The training of a run: of a classifier, or by detection/ of a network that finds or cuts out chromosomes."""

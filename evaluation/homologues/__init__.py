"""Evaluation of comparisons of homologues: pairs, cells and cases with a derived rearrangement."""

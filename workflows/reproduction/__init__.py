"""The experiments of a paper, from its data to the comparison of its figures with ours."""

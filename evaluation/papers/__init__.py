"""The claims of the papers: audit and comparison with reproductions."""

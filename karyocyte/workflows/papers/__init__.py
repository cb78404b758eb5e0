"""The papers: their claims, the grades of their printed figures, and the reproduction of their experiments."""

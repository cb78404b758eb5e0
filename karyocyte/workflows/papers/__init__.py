"""The papers: their claims, our verdicts on them, and the reproduction of their experiments."""

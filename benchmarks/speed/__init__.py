"""Cases of speed: ours beside its best alternatives, in turn."""

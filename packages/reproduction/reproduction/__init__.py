"""Papers 001 to 004: the figures that they print, grades of them by our runs, and how these runs are made again."""

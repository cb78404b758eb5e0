"""The folder of a run: its address, its files, its records."""

"""Hydra's launcher of a multirun: one job after another, several at a time on this machine, or on a Slurm cluster.

Beside it, the folders in which Hydra finds files like those of conf/. Hydra looks for plugins below ``hydra_plugins``
alone, and imports its modules at every start: keep them light.
"""

"""Hydra's launcher of a multirun: one job after another, several at a time on this machine, or on a Slurm cluster.

Hydra looks for launchers below ``hydra_plugins`` alone, and imports its modules at every start: keep them light.
"""

"""How Hydra starts the jobs of a multirun: here, a few at a time on this machine, or on a Slurm cluster.

Hydra looks for launchers below ``hydra_plugins`` alone, hence this folder. Each of them keeps the records of a sweep
(see ``common.sweeps.records``), leaves out what is finished, and sums up at the end.
"""

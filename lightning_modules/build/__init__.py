"""A network from its configuration, or from the folder of its run."""

"""Pages that need images beside the results of runs."""

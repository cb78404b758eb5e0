"""Everything but data and networks: settings, runs and files; evaluation; workflows; commands."""

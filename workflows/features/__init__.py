"""Features of frozen networks, shared by runs."""

"""The review of karyotypes by experts, on a local page."""

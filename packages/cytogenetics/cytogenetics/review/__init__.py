"""The review of karyotypes and predictions by experts, on a local page."""

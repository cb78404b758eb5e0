"""The review page of karyotypes."""

"""The pictures of docs/explanation/, drawn from results/ or from drawn data: ``python -m docs.drawings``."""

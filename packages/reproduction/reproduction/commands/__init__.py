"""The commands of scripts/ that are of papers."""

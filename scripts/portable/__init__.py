"""Command lines of portable models."""

"""Labelled predictions, and what tables and figures share."""

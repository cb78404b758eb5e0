"""Calibration, selective prediction, conformal sets and triage."""

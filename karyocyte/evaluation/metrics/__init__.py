"""Metrics of classification and operating thresholds."""

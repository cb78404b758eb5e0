"""Pure functions on predictions: metrics with intervals, thresholds, figures, evaluations. Never the model."""

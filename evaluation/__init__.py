"""Pure functions on predictions: metrics with intervals, thresholds, figures, judgements. Never the model."""

"""The LightningModules, and what their steps need."""

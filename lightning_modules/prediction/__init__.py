"""What a trained network predicts of images, in plain torch: no Lightning is imported."""

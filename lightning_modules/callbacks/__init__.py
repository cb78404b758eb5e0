"""What watches and steers the training."""

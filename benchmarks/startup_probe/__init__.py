"""Put first on PYTHONPATH, this folder times the start of a training process."""

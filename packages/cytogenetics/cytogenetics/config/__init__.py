"""The typed schema of what this package adds to conf/: kinds of networks, and sources of images."""

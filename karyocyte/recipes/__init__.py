"""What a kind of network brings along: how it is trained."""

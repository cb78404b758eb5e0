"""Image files and archives."""

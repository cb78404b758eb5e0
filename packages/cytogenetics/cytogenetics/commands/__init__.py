"""The command lines of this package; scripts/ calls them by the names that users type."""

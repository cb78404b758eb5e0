"""The folder of the package reproduction: its code and tests."""

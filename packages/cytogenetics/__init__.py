"""The folder of the package cytogenetics: its code, configuration and tests."""

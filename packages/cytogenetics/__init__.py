"""The folder of the package cytogenetics: its code, configuration, tests and pages."""

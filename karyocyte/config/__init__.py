"""The typed configuration: schemas of the groups of conf/, composition and checks."""

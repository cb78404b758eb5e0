"""Pictures of metaphases: their chromosomes are found and cut out."""

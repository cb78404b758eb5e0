"""Pictures of whole metaphases and the boxes of their chromosomes."""

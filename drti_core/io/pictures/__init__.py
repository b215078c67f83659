"""Picture files and their metadata: one photograph, one picture, one profile at a time."""

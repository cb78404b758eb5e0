"""Search for pictures that show the same cell: photographed again, in another focus, cut out anew or turned.

All pictures are compared with all others by rotation-invariant descriptors (`candidates`); the nearest are registered
(`registration`), and what lies inside both outlines has to agree in its texture. `search` makes the table that
`datamodules.manifest.same_cells` reads.
"""

"""A rehearsal of the papers at full size: drawn cells of paper 004, what each step took, and made-up verdicts."""

"""How the time of each part grows with its work: images, subjects, runs, jobs, members."""

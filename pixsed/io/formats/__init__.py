"""File formats: cube, maps, noise table, photometry; detection of the kind of a file."""

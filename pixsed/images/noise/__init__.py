"""The noise of pixels as cubes have it: bins of flux, and correlated neighbours."""

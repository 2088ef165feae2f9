"""Radial profiles of a galaxy: the properties of elliptical annuli, with posterior errors."""

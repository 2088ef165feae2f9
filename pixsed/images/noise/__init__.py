"""Noise of images and cubes: correlation between pixels, and errors as a function of flux."""

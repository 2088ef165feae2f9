"""Noise of images and cubes: its correlation between pixels, and its size by flux."""

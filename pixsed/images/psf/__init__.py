"""Effective PSFs from stars, PSF matching, and propagation of the noise."""

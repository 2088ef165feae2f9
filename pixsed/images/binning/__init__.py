"""Bins of pixels with a target S/N, and their summed photometry."""

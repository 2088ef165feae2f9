"""Groups of pixels to a target S/N, and their summed photometry."""

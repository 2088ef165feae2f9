"""Image preparation: background, PSF matching, cutouts, noise and binning."""

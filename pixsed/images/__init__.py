"""Images before the fit: background, PSF matching, cutouts, noise and binning."""

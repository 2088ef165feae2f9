"""Images before physics: background, PSF matching, cutouts."""

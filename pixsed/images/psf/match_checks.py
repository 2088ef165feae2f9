"""Checks of a PSF match, with warnings and errors that suggest a remedy."""

import warnings

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.kernel import EE_RADII, default_window

#: Encircled-energy residual above which a match is poor and a warning is given.
MAX_RESIDUAL = 0.02
#: Encircled-energy residual above which the match is rejected with an error.
HOPELESS_RESIDUAL = 0.5
# Ratio of the FWHM of the PSF to that of the target above which it is called broader.
_BROADER = 1.02
# Radius in arcsec by which the compared range may fall short without a warning.
_SHORT = 0.01


def warn_of_names(image, psf, target, target_band, unchanged):
    """Warn if the band names are inconsistent with the treatment of the image."""
    band = image.band_or_none
    for given, name, option in ((psf, band, "--psf"), (target, target_band, "--target")):
        if given is not None and name and given.band and _filter(name) != _filter(given.band):
            whose = "the image's band" if given is psf else "--target-name"
            warnings.warn(
                f"{image.name}: {option} {given.name} is of {given.band}, {whose} is {name}; "
                "the PSFs that are given are used",
                PixsedWarning,
                stacklevel=4,
            )
    if unchanged:
        return
    if image.psfmatch not in ("unknown", "none"):
        warnings.warn(
            f"{image.name}: its PSFMATCH says that it is matched to {image.psfmatch} already; "
            "it is convolved all the same",
            PixsedWarning,
            stacklevel=4,
        )
    elif band is not None and band == target_band:
        warnings.warn(
            f"{image.name}: its band, {band}, is the target's, and it is convolved all the "
            "same: " + ("the PSFs differ" if psf else "a kernel is given"),
            PixsedWarning,
            stacklevel=4,
        )


def warn_of_oversampling(image, psfs, scale):
    """Warn of oversampled PSFs whose pixel scale may not allow for the oversampling."""
    for psf in psfs:
        if psf.oversampling and psf.oversampling > 1 and abs(psf.scale / scale - 1) < 0.01:
            warnings.warn(
                f"{image.name}: {psf.name} has OVERSAMP {psf.oversampling:g}; its pixel scale is "
                f"taken as it stands, {psf.scale:.4g} arcsec, the image's own; if its values "
                f"are {psf.scale / psf.oversampling:.3g} apart, correct its header",
                PixsedWarning,
                stacklevel=4,
            )


def _filter(band):
    """Return the filter of a band, without its camera."""
    return band.rpartition("_")[2].upper()


def check_match(name, growth, found, left, options):
    """Return whether a match is good enough, and warn or raise if it is not.

    Parameters
    ----------
    name : str
        Name of the image, for messages.
    growth : float
        Factor by which the noise of a pixel grows.
    found : `~pixsed.images.psf.match_plan.KernelFound`
    left : str or None
        Band that is left broader than the target.
    options : `~pixsed.images.psf.match_plan.MatchOptions`

    Raises
    ------
    PixsedError
        If the residual is above the limit that was given, or hopeless.

    Warns
    -----
    PixsedWarning
        If the match is poor, the noise grows, or the PSFs end within the compared radii.
    """
    max_residual = options.max_residual
    residual, radii, widths = found.residual, found.radii, found.widths
    limit = MAX_RESIDUAL if max_residual is None else max_residual
    poor = residual is not None and residual > limit
    broader = bool(widths) and widths[0] > _BROADER * widths[1]
    faults = []
    if poor or left:
        allowed = f", above --max-residual {limit:g}" if poor and max_residual is not None else ""
        faults.append(
            f"encircled energy stays {residual:.2g} off the target's between "
            f"{radii[0]:g} and {radii[1]:.3g} arcsec{allowed}"
        )
    if broader or left:
        faults.append(
            f"its PSF, FWHM {widths[0]:.3f} arcsec, is broader than the target's, {widths[1]:.3f}"
        )
    if growth > 1 + 1e-9:
        faults.append(f"the noise of a pixel grows {growth:.3g} times")
    if left:
        cure = f"{left} is left as it is, PSFMATCH none"
        if poor and max_residual is not None:
            cure = f"{left} is not sharpened: match the others to it, or leave it out"
    elif broader or growth > 1 + 1e-9:
        cure = "match the others to this, the broader one, or damp the kernel with --method wiener"
    else:
        cure = _cure(**options.kernel_options)
    if poor and (max_residual is not None or (residual > HOPELESS_RESIDUAL and not left)):
        raise PixsedError(f"{name}: {', '.join(faults)}; {cure}")
    if radii is not None and radii[1] < EE_RADII[1] - _SHORT:
        warnings.warn(
            f"{name}: the PSFs end {radii[1]:.2f} arcsec from the centre, and encircled energies "
            f"are compared from {radii[0]:g} arcsec to there; give them on wider "
            "stamps",
            PixsedWarning,
            stacklevel=4,
        )
    if faults:
        if poor and not left:
            cure += "; PSFMATCH is none, unless a larger --max-residual accepts it"
        warnings.warn(f"{name}: {', '.join(faults)}; {cure}", PixsedWarning, stacklevel=4)
    return not (poor or left)


def _cure(method, window, alpha, beta, regularization):
    """Return the options to try after a poor match, as text."""
    window = window or default_window(method)
    if window in ("cosine-bell", "hanning", "split-cosine-bell", "top-hat"):
        return "try --window tukey, or smaller pixels"
    if method != "fourier":
        return f"try --method fourier, or a --regularization below {regularization:g}"
    smaller = f"a smaller --alpha than {alpha:g}, " if window == "tukey" and alpha > 0 else ""
    return f"try {smaller}PSFs on wider stamps, or smaller pixels"

"""The kernel between two PSFs, and how well it does: encircled energies, noise."""

from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.images.psf.profile import encircled_energy

WINDOWS = ("tukey", "cosine-bell", "split-cosine-bell", "hanning", "top-hat", "none")
METHODS = ("fourier", "wiener", "laplacian", "biharmonic")
#: Radii in arcsec between which encircled energies are compared.
EE_RADII = (0.1, 0.5)
_CURVE_STEP = 0.02


def matching_kernel(
    source, target, *, method="fourier", window=None, alpha=0.5, beta=0.5, regularization=1e-4
):
    """Return the kernel that turns one PSF into another, by photutils.

    The window multiplies the target's resolution: where it falls below 1 at frequencies
    that the target has, the result is broader than the target.

    Parameters
    ----------
    source, target : `~numpy.ndarray`
        (n, n), n odd, centred, on the same pixels.
    method : {"fourier", "wiener", "laplacian", "biharmonic"}, optional
        The ratio of Fourier transforms; or that with a term in its denominator: a constant
        (Wiener's), or one that grows with frequency (with the Laplacian: Boucaud et al.
        2016, A&A 596, A63).
    window : str, optional
        One of `WINDOWS`: ``tukey`` is flat up to 1 - `alpha` of the Nyquist frequency, and
        falls to zero there; ``cosine-bell`` falls from frequency zero to zero at `alpha`;
        ``split-cosine-bell`` is flat up to `beta`, and falls to zero over `alpha`;
        ``top-hat`` is cut off at `beta`; ``hanning`` falls from zero to Nyquist. By
        default ``tukey`` for ``fourier``, else ``none``.
    alpha, beta : float, optional
        0 to 1.
    regularization : float, optional
        For ``fourier``, the fraction of its peak below which the source's transform is
        taken as zero; else the weight of the term.

    Returns
    -------
    `~numpy.ndarray`
        (n, n) float64, sum 1.
    """
    from photutils import psf_matching as photutils

    window = window or default_window(method)
    for value, name, known in ((method, "method", METHODS), (window, "window", WINDOWS)):
        if value not in known:
            raise PixsedError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    taper = {
        "tukey": lambda: photutils.TukeyWindow(alpha=alpha),
        "cosine-bell": lambda: photutils.CosineBellWindow(alpha=alpha),
        "split-cosine-bell": lambda: photutils.SplitCosineBellWindow(alpha=alpha, beta=beta),
        "hanning": photutils.HanningWindow,
        "top-hat": lambda: photutils.TopHatWindow(beta=beta),
        "none": lambda: None,
    }[window]()
    options = {"window": taper, "regularization": regularization}
    try:
        if method == "fourier":
            kernel = photutils.make_kernel(source, target, **options)
        else:
            penalty = None if method == "wiener" else method
            kernel = photutils.make_wiener_kernel(source, target, penalty=penalty, **options)
    except ValueError as error:
        raise PixsedError(
            f"no kernel between these PSFs ({' '.join(str(error).split())}); "
            "is the target the broader one?"
        ) from error
    if not np.isfinite(kernel).all():
        raise PixsedError("the kernel between these PSFs is not finite; try --method wiener")
    return kernel


def default_window(method):
    """Return the window that goes with a method."""
    return "tukey" if method == "fourier" else "none"


@dataclass
class EnergyCurve:
    """Encircled energy of an image's PSF: `before`, `after` matching, and the `target`'s.

    `radii` in arcsec; energies as fractions of the light within the PSFs' common square.
    """

    radii: np.ndarray
    before: np.ndarray
    after: np.ndarray
    target: np.ndarray

    def at(self, radius):
        """Return (after, target) at a radius in arcsec."""
        return tuple(float(np.interp(radius, self.radii, e)) for e in (self.after, self.target))


def energy_curve(source, target, kernel, scale):
    """Return the `EnergyCurve` of a match, out to the PSFs' edge.

    Parameters
    ----------
    source, target : `~numpy.ndarray`
        (n, n) PSFs on the kernel's pixels.
    kernel : `~numpy.ndarray`
        Applied to `source`.
    scale : float
        Arcsec a pixel.
    """
    from scipy.signal import fftconvolve

    extent = (len(source) - 1) / 2 * scale
    radii = np.arange(_CURVE_STEP, extent + 1e-9, _CURVE_STEP)
    matched = fftconvolve(source, kernel, mode="same")
    curves = [encircled_energy(p, scale, radii) for p in (source, matched, target)]
    return EnergyCurve(radii, *curves)


def compared_radii(size, scale):
    """Return the radii in arcsec between which encircled energies can be compared.

    `EE_RADII`, or as far as PSFs of `size` pixels of `scale` arcsec reach.

    Raises
    ------
    PixsedError
        If they end within the smaller.
    """
    low, high = EE_RADII
    reach = size * scale / 2
    if reach < low + scale / 2:
        raise PixsedError(
            f"the PSFs' common square, {size} x {size} pixels of {scale:.3g} arcsec, ends within "
            f"{low} arcsec of the centre, where their encircled energies are compared from; give "
            "wider ones, and see whether their pixel scales are right"
        )
    return low, min(high, reach)


def energy_residual(source, target, kernel, scale):
    """Return the largest difference in encircled energy after matching.

    Between 0.1 and 0.5 arcsec, or the PSFs' edge (`compared_radii`). Parameters as for
    `energy_curve`.
    """
    from scipy.signal import fftconvolve

    low, high = compared_radii(len(source), scale)
    radii = np.append(np.arange(low, high, 0.01), high)
    matched = fftconvolve(source, kernel, mode="same")
    difference = encircled_energy(matched, scale, radii) - encircled_energy(target, scale, radii)
    return float(np.abs(difference).max())

"""Matching kernel between two PSFs, and the encircled energies that it gives."""

from dataclasses import dataclass

import numpy as np

from pixsed.checks import check_choice
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
    """Return the kernel that turns one PSF into another, computed by photutils.

    The window multiplies the transform of the kernel. If it is below 1 at frequencies that the
    target contains, the result is broader than the target.

    Parameters
    ----------
    source, target : `~numpy.ndarray`, shape (n, n)
        PSFs on the same pixels, centred, with n odd.
    method : {"fourier", "wiener", "laplacian", "biharmonic"}, optional
        ``fourier`` is the ratio of the Fourier transforms. The others add a term to the
        denominator: a constant (``wiener``), or one that grows with frequency (for ``laplacian``
        see Boucaud et al. 2016, A&A 596, A63).
    window : str, optional
        One of `WINDOWS`. ``tukey`` is flat up to 1 - `alpha` of the Nyquist frequency and falls
        to zero at Nyquist; ``cosine-bell`` falls from frequency zero to zero at `alpha`;
        ``split-cosine-bell`` is flat up to `beta` and falls to zero over `alpha`; ``top-hat`` is
        cut off at `beta`; ``hanning`` falls from frequency zero to Nyquist. By default ``tukey``
        for ``fourier``, else ``none``.
    alpha, beta : float, optional
        Fractions of the Nyquist frequency, 0 to 1.
    regularization : float, optional
        For ``fourier``, the fraction of its peak below which the transform of the source is taken
        as zero; else the weight of the term.

    Returns
    -------
    `~numpy.ndarray`, shape (n, n), float64
        Sum 1.

    Raises
    ------
    PixsedError
        If an option is unknown, or there is no finite kernel.
    """
    from photutils import psf_matching as photutils

    window = window or default_window(method)
    for value, name, known in ((method, "method", METHODS), (window, "window", WINDOWS)):
        check_choice(name, value, known)
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
    """Return the default window of a method."""
    return "tukey" if method == "fourier" else "none"


@dataclass
class EnergyCurve:
    """Encircled energies of a PSF before and after matching, and of the target.

    Attributes
    ----------
    radii : `~numpy.ndarray`, shape (n,)
        In arcsec.
    before, after, target : `~numpy.ndarray`, shape (n,)
        Fractions of the light within the common square of the PSFs.
    """

    radii: np.ndarray
    before: np.ndarray
    after: np.ndarray
    target: np.ndarray

    def at(self, radius):
        """Return (after, target) at a radius in arcsec."""
        return tuple(float(np.interp(radius, self.radii, e)) for e in (self.after, self.target))


def energy_curve(source, target, kernel, scale):
    """Return the `EnergyCurve` of a match, out to the edge of the PSFs.

    Parameters
    ----------
    source, target : `~numpy.ndarray`, shape (n, n)
        PSFs on the pixels of the kernel.
    kernel : `~numpy.ndarray`
        Applied to `source`.
    scale : float
        Pixel scale in arcsec.
    """
    from scipy.signal import fftconvolve

    extent = (len(source) - 1) / 2 * scale
    radii = np.arange(_CURVE_STEP, extent + 1e-9, _CURVE_STEP)
    matched = fftconvolve(source, kernel, mode="same")
    curves = [encircled_energy(p, scale, radii) for p in (source, matched, target)]
    return EnergyCurve(radii, *curves)


def compared_radii(size, scale):
    """Return the radii in arcsec between which encircled energies can be compared.

    These are `EE_RADII`, limited to the half side of PSFs of `size` pixels of `scale` arcsec.

    Raises
    ------
    PixsedError
        If the PSFs end within the smaller radius.
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

    It is taken between 0.1 and 0.5 arcsec, or the edge of the PSFs (`compared_radii`). The
    parameters are those of `energy_curve`.
    """
    from scipy.signal import fftconvolve

    low, high = compared_radii(len(source), scale)
    radii = np.append(np.arange(low, high, 0.01), high)
    matched = fftconvolve(source, kernel, mode="same")
    difference = encircled_energy(matched, scale, radii) - encircled_energy(target, scale, radii)
    return float(np.abs(difference).max())

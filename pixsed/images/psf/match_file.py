"""Write an image that was matched to a target PSF."""

import numpy as np
from astropy.io import fits

from pixsed.images.psf.kernel import default_window
from pixsed.io.cards import safe_cards
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.writers.mosaic import MosaicWriter

# Cards of an earlier match that do not hold after this one.
_EARLIER = ("PSFFWHM", "EERESID", *(f"{key}0{n}" for key in ("EE", "EET") for n in range(1, 6)))
# Deviation of a kernel's sum from 1 that is reported.
_SUM_TOLERANCE = 1e-3


def write_match(image, match, path, *, overwrite=False, progress=None):
    """Write SCI, ERR, KERNEL and the table EECURVE of an image, in strips.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
    match : `~pixsed.images.psf.match_plan.Match`
    path, overwrite
        As for `pixsed.io.formats.cube.write_cube`.
    progress : callable, optional
        Called with the number of rows after each strip.
    """
    history = match.describe()
    if not match.unchanged:
        history += f"; {describe_kernel(match)}"
    cards = _cards(match)
    with MosaicWriter(
        image,
        ("SCI", "ERR"),
        path,
        overwrite=overwrite,
        inputs=match.inputs,
        history=[f"psfmatch: {history}", f"psfmatch: {_describe_noise(match)}"],
        cards=cards,
        drop=_EARLIER,
        after=_extra_hdus(match, cards, pixel_area_arcsec2(image.wcs) ** 0.5),
    ) as writer:
        for data, error in match.strips(image):
            writer.append({"SCI": data, "ERR": error})
            if progress is not None:
                progress(len(data))


def is_renormalised(match):
    """Return whether a kernel was given whose sum was not 1."""
    return match.kernel_sum is not None and abs(match.kernel_sum - 1) > _SUM_TOLERANCE


def describe_kernel(match):
    """Return a description of how the kernel was made."""
    if match.kernel_sum is not None:
        text = f", its sum of {match.kernel_sum:.4g} made 1" if is_renormalised(match) else ""
        return "kernel given" + text
    options = match.options
    window = options.window or default_window(options.method)
    alpha, beta = f" alpha {options.alpha:g}", f" beta {options.beta:g}"
    widths = {
        "tukey": alpha,
        "cosine-bell": alpha,
        "split-cosine-bell": alpha + beta,
        "top-hat": beta,
    }
    text = f"{options.method} {options.regularization:g}, window {window}{widths.get(window, '')}"
    angle = options.angle_degrees
    return text + (f", PSFs turned {angle:g} deg" if angle else "")


def _describe_noise(match):
    """Return the measured noise properties of the image as text."""
    if match.correlation is None:
        return "errors as of independent pixels"
    factor, uncertainty = match.correlation.error_factor(match.kernel)
    return (
        f"noise correlated to {match.correlation.reach} pixels, on {match.correlation.pixels} "
        "of sky; "
        + (
            "errors unchanged"
            if match.unchanged
            else f"errors times {factor:.4g} +- {uncertainty:.2g}"
        )
    )


def _cards(match):
    """Return the cards of every extension: keyword -> (value, comment)."""
    cards = {"PSFMATCH": (match.psfmatch, "band whose PSF this one has")}
    if match.fwhm is not None:
        cards["PSFFWHM"] = (round(match.fwhm, 5), "[arcsec] FWHM of the PSF, from its area")
    if match.residual is not None:
        low, high = match.radii
        cards["EERESID"] = (
            round(match.residual, 6),
            f"max encircled-energy residual, {low:g}-{high:.3g} arcsec",
        )
        for tenth in range(1, int(10 * high + 1e-6) + 1):
            for key, value, whose in zip(
                ("EE", "EET"), match.curve.at(tenth / 10), ("matched", "target"), strict=True
            ):
                cards[f"{key}0{tenth}"] = (
                    round(value, 5),
                    f"encircled energy, 0.{tenth} arcsec: {whose}",
                )
    known = "measured" if match.correlation else "not measured"
    cards["ERRCORR"] = (round(match.err_factor, 6), f"ERR's factor for correlation, {known}")
    cards["NOISECOR"] = (
        round(match.noise_corr, 6),
        "noise of a large sum over that of pixel errors",
    )
    return cards


def _extra_hdus(match, cards, scale):
    """Return the HDUs after the image: the kernel and, if known, the encircled energies."""

    kernel = fits.ImageHDU(match.kernel.astype(np.float32), name="KERNEL")
    kernel.header["PIXSCALE"] = (scale, "[arcsec] side of a pixel")
    kernel.header.update(safe_cards(cards))
    if match.curve is None:
        return [kernel]
    curve = match.curve
    columns = [
        fits.Column(name, "E", unit=unit, array=values)
        for name, unit, values in (
            ("RADIUS", "arcsec", curve.radii),
            ("EE_BEFORE", None, curve.before),
            ("EE_AFTER", None, curve.after),
            ("EE_TARGET", None, curve.target),
        )
    ]
    return [kernel, fits.BinTableHDU.from_columns(columns, name="EECURVE")]

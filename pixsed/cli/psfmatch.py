"""`pixsed psfmatch`: an image in, the same at another's PSF out."""

import click

from pixsed.cli.mosaics import image_errors
from pixsed.cli.options import FiniteFloat, FiniteRange, examples, hdu, output, quiet_verbose

# Written out, since --help is to import no numpy; a test holds each against its room.
CORRELATIONS = ("auto", "none")
METHODS = ("fourier", "wiener", "laplacian", "biharmonic")
WINDOWS = ("tukey", "cosine-bell", "split-cosine-bell", "hanning", "top-hat", "none")

EPILOG = examples(
    "pixsed psfmatch jof_F200W.fits --psf psf_F200W.fits --target psf_F444W.fits "
    "-o F200W_psfm.fits",
    "pixsed psfmatch F606W_bkg.fits[SCI] --kernel F606W_to_F444W.fits -o F606W_psfm.fits",
)


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option("--psf", metavar="PSF", help="The image's PSF.")
@click.option("--target", metavar="PSF", help="The PSF to give it.")
@click.option(
    "--kernel", metavar="K", help="Matching kernel on the image's pixels, in place of the PSFs."
)
@click.option(
    "--target-name", metavar="BAND", help="Band of the target PSF.  [default: from its header]"
)
@click.option(
    "--psf-scale",
    type=FiniteRange(1e-4, 10),
    metavar="ARCSEC",
    help="Pixel of a PSF whose header does not tell it.",
)
@click.option(
    "--psf-angle",
    type=FiniteFloat(),
    default=0.0,
    show_default=True,
    metavar="DEG",
    help="Turn both PSFs first, from the x axis towards y.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="fourier",
    show_default=True,
    help="Kernel: ratio of Fourier transforms; or damped, by a constant (wiener) or "
    "more at high frequencies.",
)
@click.option(
    "--window",
    type=click.Choice(WINDOWS),
    help="Taper of the kernel's transform.  [default: tukey, flat, then falling; "
    "with a damped method none]",
)
@click.option(
    "--alpha",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Fraction of the frequencies that the taper takes.",
)
@click.option(
    "--beta",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Fraction that split-cosine-bell and top-hat leave whole.",
)
@click.option(
    "--regularization",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    default=1e-4,
    show_default=True,
    help="Damping; for fourier the fraction of its peak below which a transform is zero.",
)
@click.option(
    "--max-residual",
    type=FiniteRange(min=0),
    metavar="FRACTION",
    help="Fail where the encircled energy stays further off the target's.  "
    "[default: warn above 0.02]",
)
@click.option(
    "--correlation",
    type=click.Choice(CORRELATIONS),
    default="auto",
    show_default=True,
    help="Measure, on empty sky, how far the image's noise is correlated already, as "
    "by drizzling, for ERR and NOISECOR; none: not at all.",
)
@click.option(
    "--mask",
    metavar="SEG",
    help="Segmentation map of the sources to leave out of that sky.  [default: they are found]",
)
@image_errors
@hdu
@output()
@quiet_verbose
def command(
    image,
    psf,
    target,
    kernel,
    target_name,
    psf_scale,
    psf_angle,
    err,
    err_kind,
    fill,
    max_residual,
    correlation,
    mask,
    hdu,
    output,
    overwrite,
    **options,
):
    """Convolve an image to another image's PSF, errors included.

    The kernel is the ratio of the PSFs' Fourier transforms under a cosine taper; the
    PSFs may be on pixels of any scale. SCI, ERR, KERNEL and the table EECURVE of
    encircled energies are written, with PSFMATCH, the encircled-energy residual EERESID
    and the noise correlation NOISECOR in the header. Noise that was correlated before is
    allowed for in ERR, by the factor ERRCORR. The PSFs decide: an image whose PSF is the
    target's passes unchanged, and so do F460M and F480M where theirs is the broader, with
    PSFMATCH none. A kernel that is given is applied, whatever the band.
    """
    if bool(psf) != bool(target):
        raise click.UsageError("--psf and --target go together")
    if bool(kernel) == bool(psf):
        raise click.UsageError("give --psf and --target, or --kernel")
    if kernel and (max_residual is not None or psf_angle):
        raise click.UsageError("--max-residual and --psf-angle go with --psf and --target")
    if mask and correlation == "none":
        raise click.UsageError("--mask is of the sky that --correlation auto measures on")

    import contextlib

    from pixsed.cli.options import say, show_progress
    from pixsed.images.psf.match import plan_match
    from pixsed.images.psf.read import read_kernel, read_psf
    from pixsed.images.segmap import open_segmap
    from pixsed.io.bandnames import check_band_name
    from pixsed.io.headers import pixel_area_arcsec2
    from pixsed.io.image import ImageFile
    from pixsed.io.locate import parse_location
    from pixsed.io.outputs import check_fits_output
    from pixsed.io.writers.mosaic import MosaicWriter

    check_fits_output(output, overwrite)
    paths = [parse_location(p).path for p in (psf, target, kernel, mask) if p]
    band = check_band_name(target_name, "--target-name") if target_name else None
    given = None
    if psf:
        psf, target = (read_psf(p, scale=psf_scale) for p in (psf, target))
    with contextlib.ExitStack() as stack:
        place = parse_location(image, hdu, band=True)
        source = stack.enter_context(ImageFile(place, err=err, err_kind=err_kind, fill=fill))
        segmap = stack.enter_context(open_segmap(mask)) if mask else None
        if kernel:
            given = read_kernel(kernel, scale=pixel_area_arcsec2(source.wcs) ** 0.5)
            band = band or given.band
        match = plan_match(
            source,
            psf=psf,
            target=target,
            kernel=given.data if given else None,
            target_band=band,
            angle=psf_angle,
            max_residual=max_residual,
            correlation=correlation,
            segmap=segmap,
            **options,
        )
        done = _done(match)
        how = _how(given, psf_angle, **options)
        _warn_of_errors(source.name, match.scatter_ratio)
        history = [
            f"psfmatch: {done}" + ("" if match.unchanged else f"; {how}"),
            f"psfmatch: {_noise(match)}",
        ]
        cards = _cards(match)
        scale = pixel_area_arcsec2(source.wcs) ** 0.5
        with (
            MosaicWriter(
                source,
                ("SCI", "ERR"),
                output,
                overwrite=overwrite,
                inputs=[*source.files, *paths],
                history=history,
                cards=cards,
                after=_after(match, cards, scale),
            ) as writer,
            _progress(source.shape[0], show_progress()) as bar,
        ):
            for data, error in match.strips(source):
                writer.append({"SCI": data, "ERR": error})
                bar.update(len(data))
    if given and abs(given.sum - 1) > 1e-3:
        done += f"; the kernel's sum, {given.sum:.4g}, made 1"
    if match.residual is not None:
        done += f"; encircled energy within {match.residual:.2g} of it"
    say(f"{output}: {done}")


def _warn_of_errors(name, ratio):
    """Warn of errors that are not the scatter of the empty sky; `ratio` None where not known."""
    import warnings

    from pixsed.errors import PixsedWarning
    from pixsed.images.noise.autocorrelation import ERRORS_OFF

    if ratio and not 1 / ERRORS_OFF < ratio < ERRORS_OFF:
        warnings.warn(
            f"{name}: its errors are {ratio:.2g} times the scatter of its empty sky, and stay so; "
            "bkg --err sky, or cutout --rescale-errors, makes them agree",
            PixsedWarning,
            stacklevel=2,
        )


def _progress(rows, shown):
    from tqdm import tqdm

    return tqdm(total=rows, unit="row", disable=not shown)


def _done(match):
    """Return what was done to the image."""
    if match.unchanged:
        return f"unchanged, {match.unchanged}"
    if match.psfmatch == "none":
        return "convolved, but its PSF is not the target's (PSFMATCH none)"
    return f"PSF of {match.psfmatch}"


def _how(given, angle, method, window, alpha, beta, regularization):
    """Return how the kernel was made, for HISTORY."""
    from pixsed.images.psf.kernel import default_window

    if given:
        normalised = abs(given.sum - 1) > 1e-3
        return "kernel given" + (f", its sum of {given.sum:.4g} made 1" if normalised else "")
    window = window or default_window(method)
    widths = {
        "tukey": f" alpha {alpha:g}",
        "cosine-bell": f" alpha {alpha:g}",
        "split-cosine-bell": f" alpha {alpha:g} beta {beta:g}",
        "top-hat": f" beta {beta:g}",
    }
    text = f"{method} {regularization:g}, window {window}{widths.get(window, '')}"
    return text + (f", PSFs turned {angle:g} deg" if angle else "")


def _noise(match):
    """Return what was measured of the image's noise, for HISTORY."""
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
    cards = {"PSFMATCH": (match.psfmatch, "band whose PSF this one has")}
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


def _after(match, cards, scale):
    """Return the HDUs that follow the image: the kernel, and the curves where known."""
    import numpy as np
    from astropy.io import fits

    from pixsed.io.cards import safe_cards

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

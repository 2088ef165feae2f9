"""`pixsed psfmatch`: an image in, the same at another's PSF out."""

import click

from pixsed.cli.options import examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed psfmatch jof_F200W.fits --psf psf_F200W.fits --target psf_F444W.fits "
    "-o F200W_psfm.fits",
    "pixsed psfmatch F606W_bkg.fits[SCI] --kernel F606W_to_F444W.fits -o F606W_psfm.fits",
)


@click.command(epilog=EPILOG)
@click.argument("image", metavar="[BAND=]IMAGE")
@click.option("--psf", metavar="PSF", help="The image's PSF.")
@click.option("--target", metavar="PSF", help="The PSF it shall have.")
@click.option("--kernel", metavar="K",
              help="Matching kernel on the image's pixels, in place of the PSFs.")
@click.option("--target-name", metavar="BAND",
              help="Band of the target PSF.  [default: from its header]")
@click.option("--psf-scale", type=click.FloatRange(min=0, min_open=True), metavar="ARCSEC",
              help="Pixel of a PSF whose header does not tell it.")
@click.option("--window", type=click.Choice(["tukey", "cosine-bell"]), default="tukey",
              show_default=True,
              help="Taper of the kernel's transform: flat, then falling; or falling throughout.")
@click.option("--alpha", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Share of the frequencies that the taper takes.")
@click.option("--err", metavar="EXT|FILE",
              help="Where the errors are.  [default: ERR, WHT, or a file beside the image]")
@hdu
@output()
@quiet_verbose
def command(image, psf, target, kernel, target_name, psf_scale, window, alpha, err,
            hdu, output, overwrite):
    """Convolve an image to another image's PSF, errors included.

    The kernel is the ratio of the PSFs' Fourier transforms under a cosine taper; the
    PSFs may be on pixels of any scale. SCI, ERR and KERNEL are written, with
    PSFMATCH, the encircled-energy residual EERESID and the noise correlation NOISECOR
    in the header. An image already at the target, and F460M or F480M, pass unchanged.
    """
    if bool(psf) != bool(target):
        raise click.UsageError("--psf and --target go together")
    if bool(kernel) == bool(psf):
        raise click.UsageError("give --psf and --target, or --kernel")

    from pixsed.cli.options import say
    from pixsed.images.psf_matching import match_image, read_kernel, read_psf
    from pixsed.io.atomic import check_output
    from pixsed.io.bandnames import check_band_name
    from pixsed.io.image import ImageFile, write_image
    from pixsed.io.locate import parse_location

    check_output(output, overwrite)
    paths = [parse_location(p).path for p in (psf, target, kernel) if p]
    band = check_band_name(target_name, "--target-name") if target_name else None
    if kernel:
        kernel, kernel_band = read_kernel(kernel)
        band = band or kernel_band
    else:
        psf, target = (read_psf(p, scale=psf_scale) for p in (psf, target))
    with ImageFile(parse_location(image, hdu, band=True), err=err) as source:
        match = match_image(
            source, psf=psf, target=target, kernel=kernel, target_band=band,
            window=window, alpha=alpha,
        )
        cards = _cards(match)
        done = f"unchanged, {match.unchanged}" if match.unchanged else f"PSF of {match.psfmatch}"
        planes = {"SCI": match.data, "ERR": match.err, "KERNEL": match.kernel}
        write_image(
            source,
            {name: (plane, cards) for name, plane in planes.items()},
            output,
            overwrite=overwrite,
            inputs=[*source.files, *paths],
            history=[f"psfmatch: {done}"],
        )
    if match.residual is not None:
        done += f"; encircled energy within {match.residual:.2g} of it"
    say(f"{output}: {done}")


def _cards(match):
    cards = {"PSFMATCH": (match.psfmatch, "band whose PSF this one has")}
    if match.residual is not None:
        cards["EERESID"] = (
            round(match.residual, 6), "max encircled-energy residual, 0.1-0.5 arcsec"
        )
    cards["NOISECOR"] = (
        round(match.noise_corr, 6), "noise of a large sum over that of pixel errors"
    )
    return cards

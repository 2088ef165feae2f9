"""`pixsed bin`: bin the pixels of a cube to a target S/N."""

import click

from pixsed.cli.options import FiniteRange, Names, examples, output, quiet_verbose

EPILOG = examples(
    "pixsed bin 531.fits --snr 10 -o 531_bins.fits",
    "pixsed bin 531.fits --method sed --snr 20 --bands F200W,F444W -o 531_bins.fits",
)


@click.command("bin", epilog=EPILOG)
@click.argument("cube", metavar="CUBE")
@click.option(
    "--method",
    type=click.Choice(["voronoi", "sed"]),
    default="voronoi",
    show_default=True,
    help="Bins by S/N alone, or of pixels with spectra of one shape.",
)
@click.option(
    "--snr",
    type=FiniteRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Target S/N of a bin.",
)
@click.option(
    "--bands",
    metavar="BAND,...",
    type=Names(upper=True),
    help="Bands over which the S/N is averaged.  [default: F277W,F356W,F444W, or the "
    "three reddest]",
)
@click.option(
    "--min-size",
    type=FiniteRange(min=0, min_open=True),
    metavar="PIXELS",
    help="Smallest diameter of a bin, from its area.  [default: 1 for voronoi, the FWHM of "
    'F444W, 0.145", for sed]',
)
@click.option(
    "--max-chi2",
    type=FiniteRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="Reduced chi^2 up to which sed takes two spectral shapes as the same.",
)
@output(help="Binned cube to write; - for standard output.")
@quiet_verbose
def command(cube, method, output, overwrite, **options):
    """Bin the pixels of a galaxy to a target S/N.

    The result is a cube. Each pixel has the flux and error of its bin divided by the number
    of pixels. BINMAP is the map of bins and BINS a table with one row per bin. The errors
    include the correlation of the noise. fit and sum-mass fit each bin once.
    """
    from pixsed.cli.options import say
    from pixsed.images.binning.bin_cube import bin_cube
    from pixsed.io.formats.cube import read_cube, write_cube
    from pixsed.io.outputs import check_fits_output

    check_fits_output(output, overwrite)
    result = bin_cube(read_cube(cube), method=method, name=cube, **options)
    found = _summary(result.binning)
    write_cube(result, output, overwrite, inputs=[cube], history=[f"bin: {method}, {found}"])
    say(f"{output}: {found}")


def _summary(binning):
    import numpy as np

    snr, npix = (np.asarray(binning.table[name]) for name in ("snr", "npix"))
    return (
        f"{len(snr)} bins of {npix.sum()} pixels, S/N {np.nanmin(snr):.3g} to {np.nanmax(snr):.3g},"
        f" median {np.nanmedian(snr):.3g}"
    )

"""`pixsed bin`: a cube in, the same with its pixels grouped to a target S/N out."""

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
    help="By S/N alone, or of pixels whose spectra have one shape.",
)
@click.option(
    "--snr",
    type=FiniteRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="S/N of a bin to aim at.",
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
    help="Pixels that a bin is across at least, by its area.  [default: voronoi 1, sed "
    'the FWHM of F444W, 0.145"]',
)
@click.option(
    "--max-chi2",
    type=FiniteRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="Reduced chi^2 up to which sed takes two shapes for one.",
)
@output(help="Binned cube to write; - for standard output.")
@quiet_verbose
def command(cube, method, snr, bands, min_size, max_chi2, output, overwrite):
    """Group the pixels of a galaxy to a target S/N.

    The result is a cube: each pixel holds its bin's flux and error over the number of
    pixels, BINMAP the bins, BINS a row a bin. Errors are those of the sums, with the
    correlation of the noise that the cube tells. fit and sum-mass fit each bin once.
    """
    from pixsed.cli.options import say
    from pixsed.images.binning.bin_cube import bin_cube
    from pixsed.io.formats.cube import read_cube, write_cube
    from pixsed.io.outputs import check_fits_output

    check_fits_output(output, overwrite)
    result = bin_cube(
        read_cube(cube),
        method=method,
        snr=snr,
        bands=bands,
        min_size=min_size,
        chi2_max=max_chi2,
        name=cube,
    )
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

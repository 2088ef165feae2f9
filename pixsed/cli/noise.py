"""`pixsed noise`: measure the noise of pixels on cubes."""

import click

from pixsed.cli.options import examples, output, quiet_verbose


@click.command(
    "noise",
    epilog=examples(
        "pixsed noise cubes/*.fits -o noise.fits",
        "pixsed noise 531.fits 370.fits --bins 3 -o noise.fits",
    ),
)
@click.argument("cubes", nargs=-1, required=True, metavar="CUBE...")
@click.option(
    "--bins",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Bins of flux per band, with equal numbers of pixels.",
)
@output("Noise table to write; - for standard output.")
@quiet_verbose
def command(cubes, bins, output, overwrite):
    """Measure the noise of pixels on cubes, for training.

    In each band, the pixels of the galaxies' segments are split into bins of flux, and a
    Gaussian is fitted to the errors of each bin. The correlation of the noise is measured in
    empty apertures if there is enough sky, else it is that of the cubes. Use the cubes that
    will be fitted: matched by psfmatch, and with errors that agree with the sky. The table
    is for 'pixsed train --noise' and 'pixsed validate --noise'.
    """
    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.images.noise.measure import NoiseMeasurement
    from pixsed.io.formats.cube import read_cube
    from pixsed.io.formats.noise_table import write_noise
    from pixsed.io.inputs import once
    from pixsed.io.outputs import check_fits_output
    from pixsed.io.repeated_warnings import merge_repeated_warnings

    check_fits_output(output, overwrite)
    cubes = once(cubes)
    measurement = NoiseMeasurement()
    with merge_repeated_warnings():
        for name in tqdm(cubes, unit="cube", disable=not (len(cubes) > 1 and show_progress())):
            measurement.add(read_cube(name), name)
    table = measurement.table(bins)
    write_noise(
        table,
        output,
        overwrite,
        inputs=cubes,
        history=[f"noise: {measurement.cubes} cubes, {bins} bins of flux a band"],
    )
    for line in _lines(table):
        say(line)
    say(f"{output}: {len(table.bands)} bands of {measurement.cubes} cubes")


def _lines(table):
    """Yield the lines of the table: mean and scatter of the errors in nJy, by bin of flux."""
    bins = max(len(noise.mean) for noise in table.bands.values())
    width = max(len(band) for band in table.bands)
    head = "".join(f"{f'bin {k + 1}':>20s}" for k in range(bins))
    yield f"{'':{width}s}{'pixels':>9s}{'depth':>9s}{'corr':>15s}{head}"
    for band, noise in table.bands.items():
        corr = {
            "apertures": f"{noise.noise_corr:.2f} +- {noise.noise_corr_err:.2f}",
            "lower limit": f"> {noise.noise_corr:.2f}",
        }.get(noise.corr_from, f"{noise.noise_corr:.2f} (cubes)")
        cells = "".join(
            f"{f'{mean:.3g} +- {std:.2g}':>20s}"
            for mean, std in zip(noise.mean, noise.std, strict=True)
        )
        yield f"{band:{width}s}{noise.npix.sum():9d}{noise.depth:9.3g}{corr:>15s}{cells}"

"""Noise in the paper's form, scaled to its depths, in all of its 19 bands.

    pixsed noise 36.fits 370.fits 531.fits -o noise.fits
    python tests/benchmarks/five_bins.py noise.fits -o noise19.fits
    pixsed validate tau test.fits --noise noise19.fits --cases paper -o report.fits

The available cutouts differ in depth from the fields of the paper and may lack bands. The fluxes
and errors of the bins of each band are scaled to the depth in Table 1 of the paper. A band that
is missing takes the bins of the nearest band in wavelength. The dependence of the errors on
flux is thus measured, and their level is that of the paper.
"""

import argparse
from dataclasses import replace

import numpy as np

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.io.formats.noise_table import read_noise, write_noise
from pixsed.simulate.noise import depths


def scaled(bands):
    """Return the noise of all bands of the paper, and the band from which each is taken."""
    found, taken = {}, {}
    for band, depth in zip(PAPER_BANDS, depths(PAPER_BANDS), strict=True):
        wave = BY_NAME[band].pivot_um
        near = min(bands, key=lambda name: abs(np.log(BY_NAME[name].pivot_um / wave)))  # noqa: B023 -- used at once
        noise, ratio = bands[near], depth / bands[near].depth
        taken[band] = near
        found[band] = replace(
            noise,
            edges=noise.edges * ratio,
            mean=noise.mean * ratio,
            std=noise.std * ratio,
            depth=depth,
        )
    return found, taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="of 'pixsed noise'")
    parser.add_argument("-o", dest="output", required=True)
    given = parser.parse_args()
    table = read_noise(given.table)
    table.bands, taken = scaled(table.bands)
    history = [f"{band}: bins of {near}, scaled to Table 1" for band, near in taken.items()]
    write_noise(table, given.output, inputs=[given.table], history=history)
    print("errors by bin, nJy")
    for band, noise in table.bands.items():
        print(f"{band:8s}{taken[band]:8s}" + "".join(f"{m:8.3f}" for m in noise.mean))


if __name__ == "__main__":
    main()

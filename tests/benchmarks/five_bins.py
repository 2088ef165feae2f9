"""The paper's form of noise in all of its 19 bands, from cutouts that lack some.

    pixsed noise 36.fits 370.fits 531.fits -o noise.fits
    python tests/benchmarks/five_bins.py noise.fits -o noise19.fits
    pixsed validate tau test.fits --noise noise19.fits --cases paper -o report.fits

A band that the table lacks takes the bins of the band nearest in wavelength, fluxes and errors
times the ratio of the two depths of the paper's Table 1.
"""

import argparse
from dataclasses import replace

import numpy as np

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.io.noise import read_noise, write_noise
from pixsed.simulate.noise import depths


def filled(bands):
    """Return the noise of all of the paper's bands, and which is taken from which."""
    found, taken = {}, {}
    for band in PAPER_BANDS:
        if band in bands:
            found[band] = bands[band]
            continue
        near = min(bands, key=lambda name: abs(np.log(BY_NAME[name].pivot_um
                                                      / BY_NAME[band].pivot_um)))  # fmt: skip
        mine, theirs = depths([band, near])
        noise, ratio = bands[near], mine / theirs
        taken[band] = near
        found[band] = replace(noise, edges=noise.edges * ratio, mean=noise.mean * ratio,
                              std=noise.std * ratio, depth=noise.depth * ratio)  # fmt: skip
    return found, taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="of 'pixsed noise'")
    parser.add_argument("-o", dest="output", required=True)
    given = parser.parse_args()
    table = read_noise(given.table)
    table.bands, taken = filled(table.bands)
    said = [f"{band} as {near}, scaled by depth" for band, near in taken.items()]
    write_noise(table, given.output, inputs=[given.table], history=said)
    print("\n".join(said))
    for band, noise in table.bands.items():
        print(f"{band:8s}{depths([band])[0]:8.2f} nJy; bins {np.round(noise.mean, 2)}")


if __name__ == "__main__":
    main()

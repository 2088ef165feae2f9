"""Coverage of the profiles of the mock field: annuli whose 68 % interval holds the true value.

    sh data/demo.sh demo_output
    python tests/benchmarks/profile_coverage.py demo_output/cubes --truth data/mock_truth.fits

For each way of correlating the draws, each property and all galaxies, prints the number of annuli
that are fitted whole, and of those whose 68 % interval holds the value of the true maps. True means
are weighted by the surviving mass, as the maps of the truth are, and those of the profile by the
mass formed.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from click.testing import CliRunner
from photutils.aperture import SkyEllipticalAnnulus, SkyEllipticalAperture

from pixsed.cli.main import cli

PROPERTIES = ("LOGSIGMA", "AGE", "AV", "METAL", "LOGSSFR")
TRUE = ("LOGMSTAR", "LOGSIGMA", "LOGSFR", "AGE", "AV", "METAL")


def masks(table, wcs, shape):
    """Return the fraction of each pixel of an image in the annuli of a profile, (K, ny, nx)."""
    meta = {key.upper(): value for key, value in table.meta.items()}
    centre = SkyCoord(meta["RA"], meta["DEC"], unit="deg")
    ratio, pa = meta["AXRATIO"], meta["PA"] * u.deg
    found = []
    for low, high in zip(table["R_IN"], table["R_OUT"], strict=True):
        low, high = low * u.arcsec, high * u.arcsec
        if low > 0:
            sky = SkyEllipticalAnnulus(centre, low, high, high * ratio, low * ratio, theta=pa)
        else:
            sky = SkyEllipticalAperture(centre, high, high * ratio, theta=pa)
        found.append(sky.to_pixel(wcs).to_mask(method="exact").to_image(shape))
    return np.array(found)


def true_values(truth, table):
    """Return the true values in the annuli by property, (K,) each."""
    maps = {hdu.name: hdu.data.astype(float) for hdu in truth if hdu.name in TRUE}
    inside = np.isfinite(maps["LOGMSTAR"])
    weight = masks(table, WCS(truth["AV"].header), inside.shape) * inside

    def total(values):
        return (np.where(inside, values, 0.0) * weight).sum(axis=(1, 2))

    mass = 10.0 ** maps["LOGMSTAR"]
    found = {
        "LOGSIGMA": np.log10(total(10.0 ** maps["LOGSIGMA"]) / weight.sum(axis=(1, 2))),
        "LOGSSFR": np.log10(total(10.0 ** maps["LOGSFR"]) / total(mass)),
    }
    return found | {name: total(maps[name] * mass) / total(mass) for name in TRUE[3:]}


def main():
    """Make the profiles and compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cubes", type=Path)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--model", default="tau")
    parser.add_argument("--samples", type=int, default=128)
    given = parser.parse_args()
    with fits.open(given.truth) as truth:
        for noise in ("correlated", "independent", "common"):
            held, whole = dict.fromkeys(PROPERTIES, 0), 0
            for cube in sorted(given.cubes.glob("*.fits")):
                output = given.cubes.parent / f"profile_{noise}.ecsv"
                args = ["profile", cube, "--model", given.model, "--samples", given.samples]
                args += ["--noise", noise, "--psf-fwhm", 0.155, "--overwrite", "-q", "-o", output]
                for name in PROPERTIES:
                    args += ["--property", name]
                CliRunner().invoke(cli, list(map(str, args)), catch_exceptions=False)
                table = Table.read(output)
                true = true_values(truth, table)
                use = np.asarray(table["COVERAGE"]) > 0.999
                whole += use.sum()
                for name, values in true.items():
                    inside = (table[f"{name}_P16"] <= values) & (values <= table[f"{name}_P84"])
                    held[name] += int((inside & use).sum())
            print(f"{noise:12} {whole:4d}  " + "  ".join(f"{k} {v}" for k, v in held.items()))


if __name__ == "__main__":
    main()

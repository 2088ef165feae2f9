"""Fraction of pixels of real galaxies that a model cannot fit: OOD < 0.001.

    python tests/benchmarks/jof_ood.py tau dirichlet --data jof

DIR has PSF-matched cutouts of galaxies of the JADES Origins Field, JOF_<ID>_<BAND>.fits with
extension SCI_PSFM, and segmentation maps JOF_<ID>_seg.fits. Cubes are made by `pixsed cutout` with
errors rescaled to the scatter of the sky, and fitted by `pixsed fit` with an error floor of 5 %
and a redshift error of 0.05 (1 + z), where the mean S/N is above 10. The commands are those of a
user; only the fraction is computed here.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from pixsed.dq import OOD_LIMIT

#: Galaxies and their redshifts.
GALAXIES = {"36": 4.13, "370": 3.75, "531": 5.24}


def pixsed(*arguments):
    """Run a command of pixsed."""
    command = [sys.executable, "-m", "pixsed", *map(str, arguments), "-q", "--overwrite"]
    subprocess.run(command, check=True)


def cube(data, galaxy, z, path):
    """Make the cube of a galaxy."""
    images = f"F*={data}/JOF_{galaxy}_F*.fits[SCI_PSFM]"
    where = ("--segmap", f"{data}/JOF_{galaxy}_seg.fits", "--id", galaxy)
    pixsed("cutout", images, *where, "--redshift", z, "--rescale-errors", "-o", path)


def scores(model, path, z, maps, given):
    """Return the p-values of the fitted pixels of a cube."""
    error = ("--redshift-err", given.redshift_err * (1 + z)) if given.redshift_err else ()
    floor = ("--snr-min", given.snr_min, "--error-floor", given.error_floor, "--jobs", given.jobs)
    pixsed("fit", path, "--model", model, *floor, *error, "-o", maps)
    with fits.open(maps) as hdus:
        ood = np.asarray(hdus["OOD"].data, dtype=float)
    return ood[np.isfinite(ood)]


def main():
    """Fit the galaxies with each model and print the fractions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--snr-min", type=float, default=10.0)
    parser.add_argument("--error-floor", type=float, default=0.05)
    parser.add_argument("--redshift-err", type=float, default=0.05, help="over 1 + z; 0 = exact")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    print(f"{'model':16s}{'galaxy':>8s}{'pixels':>8s}{'< 0.001':>9s}{'< 0.01':>8s}{'median':>9s}")
    with tempfile.TemporaryDirectory() as folder:
        for galaxy, z in GALAXIES.items():
            cube(given.data, galaxy, z, Path(folder, f"{galaxy}.fits"))
        for model in given.models:
            for galaxy, z in GALAXIES.items():
                path, maps = Path(folder, f"{galaxy}.fits"), Path(folder, "maps.fits")
                ood = scores(model, path, z, maps, given)
                low, few = np.mean(ood < OOD_LIMIT), np.mean(ood < 0.01)
                name = Path(model).stem
                print(
                    f"{name:16s}{galaxy:>8s}{len(ood):8d}{low:9.3f}{few:8.3f}{np.median(ood):9.2g}"
                )


if __name__ == "__main__":
    main()

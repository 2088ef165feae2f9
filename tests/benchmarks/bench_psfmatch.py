"""Time and peak memory of `pixsed psfmatch`: python tests/benchmarks/bench_psfmatch.py [SIDE...].

Makes mosaics of noise, SIDE x SIDE pixels (by default 4000 and 8000) with as many errors, in
a temporary folder, and matches them with a kernel of 99 x 99 pixels in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

ROWS = 20


def write_mosaic(path, side):
    """Write SCI and ERR some rows at a time."""
    rng = np.random.default_rng(1)
    noise, ones = rng.normal(0, 1, (ROWS, side)).astype(">f4"), np.ones((ROWS, side), ">f4")
    wcs = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 53.0,
        "CRVAL2": -27.0,
        "CRPIX1": side / 2,
        "CRPIX2": side / 2,
        "CDELT1": -0.03 / 3600,
        "CDELT2": 0.03 / 3600,
        "BUNIT": "uJy",
        "FILTER": "F200W",
    }
    with open(path, "wb") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        for name, rows in (("SCI", noise), ("ERR", ones)):
            header = fits.ImageHDU(np.zeros((1, 1), np.float32), name=name).header
            header["NAXIS1"] = header["NAXIS2"] = side
            header.update(wcs)
            file.write(header.tostring().encode())
            for _ in range(side // ROWS):
                file.write(rows)
            file.write(b"\0" * (-file.tell() % 2880))


def write_psf(path, band, sigma):
    y, x = np.indices((99, 99)) - 49
    header = fits.Header({"PIXSCALE": 0.03, "FILTER": band})
    psf = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    fits.PrimaryHDU(psf, header).writeto(path, overwrite=True)


def main():
    for side in [int(word) // ROWS * ROWS for word in sys.argv[1:]] or [4000, 8000]:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            write_mosaic(folder / "m.fits", side)
            write_psf(folder / "p.fits", "F200W", 1.2)
            write_psf(folder / "t.fits", "F444W", 2.2)
            start = time.monotonic()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pixsed",
                    "psfmatch",
                    folder / "m.fits",
                    "--psf",
                    folder / "p.fits",
                    "--target",
                    folder / "t.fits",
                    "-q",
                    "-o",
                    folder / "o.fits",
                ]
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                sys.exit(1)
            peak = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
            print(
                f"{side} x {side} pixels: {time.monotonic() - start:.0f} s, peak {peak:.2f} GiB "
                f"(files: 2 x {4 * side**2 / 2**30:.2f} GiB)"
            )


if __name__ == "__main__":
    main()

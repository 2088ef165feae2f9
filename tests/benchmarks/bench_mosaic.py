"""Peak memory of `bkg` and `cutout --all` on a mosaic made on the fly.

    python tests/benchmarks/bench_mosaic.py --size 20000 --galaxies 1000 --folder /scratch

needs some 13 GB of disk (SCI and ERR, four planes of output, a segmentation map). The peak is
ru_maxrss of the process of each command, which includes pages of mapped files.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

import pixsed

BLOCK = 200
STAMP = 41


def header(shape):
    """Return the header of a mosaic with pixels of 0.03 arcsec, in nJy."""
    cards = fits.Header()
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TAN", "DEC--TAN"
    cards["CRVAL1"], cards["CRVAL2"] = 53.16, -27.79
    cards["CRPIX1"], cards["CRPIX2"] = shape[1] / 2, shape[0] / 2
    cards["CDELT1"], cards["CDELT2"] = -0.03 / 3600, 0.03 / 3600
    cards["BUNIT"], cards["FILTER"], cards["INSTRUME"] = "nJy", "F444W", "NIRCAM"
    return cards


def make(folder, shape, galaxies, seed=1):
    """Write a mosaic of sky, noise and galaxies, its segmentation map and a catalogue, by rows."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    noise = rng.normal(0, 1, (BLOCK, nx)).astype(np.float32)
    cells = np.array(shape) // (STAMP + 20)
    numbers = np.sort(rng.permutation(cells.prod())[:galaxies])
    places = np.array(np.unravel_index(numbers, cells)).T * (STAMP + 20) + 10
    y, x = np.mgrid[:STAMP, :STAMP] - STAMP // 2
    radius = np.hypot(y, x)
    light = (30 * np.exp(-radius / 4)).astype(np.float32)
    names = {"SCI": "mosaic_sci.fits", "ERR": "mosaic_err.fits", "SEG": "seg.fits"}
    out = {}
    for name, file in names.items():
        primary = fits.PrimaryHDU(header=header(shape)).header
        primary["NAXIS"], primary["NAXIS1"], primary["NAXIS2"] = 2, nx, ny
        primary["BITPIX"] = 32 if name == "SEG" else -32
        out[name] = fits.StreamingHDU(Path(folder) / file, primary)
    for start in range(0, ny, BLOCK):
        stop = min(ny, start + BLOCK)
        sky = 5 + np.linspace(0, 2, nx, dtype=np.float32) + np.float32(start / ny)
        # The same noise, shifted: new random numbers for every row would dominate the time.
        sci = np.roll(noise, 7919 * (start // BLOCK), axis=1)[: stop - start] + sky
        seg = np.zeros(sci.shape, np.int32)
        for number in np.nonzero((places[:, 0] > start - STAMP) & (places[:, 0] < stop))[0]:
            y0, x0 = places[number]
            rows = slice(max(0, start - y0), min(STAMP, stop - y0))
            to = slice(y0 + rows.start - start, y0 + rows.stop - start), slice(x0, x0 + STAMP)
            sci[to] += light[rows]
            seg[to][radius[rows] < 15] = number + 1
        for name, data in (("SCI", sci), ("ERR", np.ones_like(sci)), ("SEG", seg)):
            out[name].write(data)
    for stream in out.values():
        stream.close()
    ids = np.arange(1, len(places) + 1)
    rows = "\n".join(f"{i},{z:.3f}" for i, z in zip(ids, rng.uniform(1, 5, ids.size), strict=True))
    (Path(folder) / "z.csv").write_text(f"id,z_spec\n{rows}\n")


# The peak of a process begins at that of its parent, which must therefore be small.
_MEASURE = """
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
sys.exit(code)
"""


def run(folder, *args):
    """Run pixsed in `folder`; return (peak memory in MB, seconds of CPU time)."""
    place = str(Path(pixsed.__file__).parents[1])  # the one imported here
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([place, os.environ.get("PYTHONPATH", "")])}
    found = subprocess.run(
        [sys.executable, "-c", _MEASURE, sys.executable, "-m", "pixsed", *args],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    if found.returncode:
        raise RuntimeError(f"pixsed {args[0]} failed")
    peak, seconds = map(float, found.stdout.split()[-2:])
    return peak / (1e6 if sys.platform == "darwin" else 1e3), seconds


def bench(folder, shape, galaxies, bands=3):
    """Make a mosaic and run the commands; return {step: (peak MB, CPU seconds)}."""
    make(folder, shape, galaxies)
    found = {
        "bkg": run(
            folder,
            "bkg",
            "mosaic_sci.fits",
            "--segmap",
            "seg.fits",
            "--dilate",
            "5",
            "-q",
            "-o",
            "bkg.fits",
        )
    }
    # One file stands for every band: time and memory grow with their number all the same.
    images = [f"{band}=bkg.fits" for band in ("F150W", "F277W", "F444W")[:bands]]
    found["cutout --all"] = run(
        folder,
        "cutout",
        *images,
        "--segmap",
        "seg.fits",
        "--catalog",
        "z.csv",
        "--all",
        "-q",
        "-o",
        "cubes",
    )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20000, help="side in pixels")
    parser.add_argument("--galaxies", type=int, default=1000)
    parser.add_argument("--bands", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--folder", help="where there is room; a new folder in it is used")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="pixsed-mosaic-", dir=args.folder)
    try:
        found = bench(folder, (args.size, args.size), args.galaxies, args.bands)
        cubes = len(list(Path(folder, "cubes").iterdir()))
    finally:
        shutil.rmtree(folder)
    print(f"{args.size} x {args.size} pixels, {cubes} galaxies, {args.bands} bands")
    for step, (peak, seconds) in found.items():
        print(f"{step:14s} peak {peak:7.0f} MB   {seconds:7.1f} s of CPU")


if __name__ == "__main__":
    main()

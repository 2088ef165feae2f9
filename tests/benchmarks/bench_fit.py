"""How long a pixel takes on one core: python tests/benchmarks/bench_fit.py [MODEL].

Prints the network alone and `fit_cube` whole, for the same pixels, and the rate of a large
float32 matrix product in the same run, to compare machines by.
"""

import platform
import sys
import time

import numpy as np
from astropy.wcs import WCS

from pixsed.bands import PAPER_BANDS
from pixsed.infer.draws import base_normals
from pixsed.infer.fit import fit_cube
from pixsed.infer.model import Model
from pixsed.infer.select import select
from pixsed.io.cube import Cube
from pixsed.models import resolve

SIDE, SAMPLES, REPEATS = 32, 500, 5


def best(call):
    """Shortest of a few runs, seconds: what the machine does when nothing disturbs it."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    model = Model(resolve(sys.argv[1] if len(sys.argv) > 1 else "tau"), threads=1)
    rng = np.random.default_rng(1)
    flux = np.exp(rng.normal(1.0, 1.0, (1, SIDE, SIDE))) * np.ones((len(PAPER_BANDS), 1, 1))
    err = 0.1 + 0.03 * flux
    flux = flux + err * rng.standard_normal(flux.shape)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-0.03 / 3600, 0.03 / 3600]
    cube = Cube(list(PAPER_BANDS), flux, err, wcs.to_header(), 2.0, "bench")
    selection = select(cube, model, snr_min=-np.inf, all_pixels=True, name="bench")
    y, x = np.nonzero(selection.chosen)
    seen = selection.rows(model, y, x)
    z = np.full(len(y), 2.0)

    def network():
        for start in range(0, len(y), 32):
            part = slice(start, start + 32)
            base = bases[part]
            model.sample(seen[0][part], seen[1][part], z[part], 0 * z[part], base)

    bases = base_normals(1, y, x, SAMPLES, model.base_dim)
    alone = best(network) / len(y)
    whole = best(lambda: fit_cube(cube, model, snr_min=-np.inf, all_pixels=True, jobs=1)) / len(y)
    a = rng.random((1500, 1500), dtype=np.float32)
    rate = 2 * 1500**3 / best(lambda: a @ a) / 1e9
    print(f"{platform.processor() or platform.machine()}, {len(y)} pixels x {len(PAPER_BANDS)} "
          f"bands, {SAMPLES} draws, one thread")  # fmt: skip
    print(f"network alone   {alone * 1e3:8.3f} ms a pixel")
    print(f"fit_cube        {whole * 1e3:8.3f} ms a pixel; network {alone / whole:.0%} of it")
    print(f"float32 product {rate:8.1f} GFLOP/s in numpy, all threads")


if __name__ == "__main__":
    main()

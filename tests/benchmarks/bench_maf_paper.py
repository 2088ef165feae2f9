"""Speed of pixsed's and the paper's network.

    python tests/benchmarks/bench_maf_paper.py [MODEL] [CHECKPOINT]

Times 500 draws for the same pixels on one core: sbi's `sample` of the paper's network, and the
network of `pixsed fit`. Without a checkpoint the weights of the paper's network are untrained,
which does not change the time. The times are CPU times, which depend little on other load.
"""

import sys
import time

import numpy as np
import torch

from pixsed.bands import PAPER_BANDS
from pixsed.fit.draws import base_normals
from pixsed.fit.model import Model
from pixsed.models import resolve
from pixsed.simulate.noise import depths
from pixsed.train.maf_paper import network_input
from pixsed.train.maf_paper.checkpoint import build_network, load_network, read_checkpoint

SAMPLES, REPEATS = 500, 3
#: Number of pixels of each network; the paper's takes seconds for a few.
THEIRS, OURS = 4, 256


def best(call, pixels):
    """Return the smallest CPU time of a few calls, seconds per pixel."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append((time.process_time() - start) / pixels)
    return min(times)


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    flux = np.exp(rng.normal(1.0, 1.0, (OURS, 1))) * np.ones(len(PAPER_BANDS))
    err = 0.1 + 0.03 * flux
    flux = flux + err * rng.standard_normal(flux.shape)
    z = rng.uniform(0.5, 7.0, OURS)

    model = Model(resolve(sys.argv[1] if len(sys.argv) > 1 else "tau"), threads=1)
    wide = [np.full((OURS, len(model.bands)), np.nan, dtype=np.float32) for _ in range(2)]
    for band, f, e in zip(PAPER_BANDS, flux.T, err.T, strict=True):
        wide[0][:, model.bands.index(band)], wide[1][:, model.bands.index(band)] = f, e
    number = np.arange(OURS)
    bases = base_normals(1, 0 * number, number, SAMPLES, model.base_dim)

    def ours():
        for start in range(0, OURS, 32):
            rows = slice(start, start + 32)
            model.sample(wide[0][rows], wide[1][rows], z[rows], 0 * z[rows], bases[rows])

    x = torch.from_numpy(network_input(flux, err, z, depths(PAPER_BANDS), PAPER_BANDS))
    if len(sys.argv) > 2:
        paper = load_network(read_checkpoint(sys.argv[2]))
    else:
        torch.manual_seed(0)
        paper = build_network(torch.randn(1000, 7), x).eval()

    @torch.no_grad()
    def one_by_one():
        for row in x[:THEIRS]:
            paper.sample((SAMPLES,), condition=row[None])

    @torch.no_grad()
    def together():
        paper.sample((SAMPLES,), condition=x[:THEIRS])

    ours()  # warm-up
    mine, single, batch = best(ours, OURS), best(one_by_one, THEIRS), best(together, THEIRS)
    weights = sum(p.numel() for p in paper.parameters())
    print(f"{SAMPLES} draws per pixel, {len(PAPER_BANDS)} bands, one thread, CPU time")
    for name, seconds in (
        (f"sbi, {weights / 1e6:.1f} M weights, pixel by pixel", single),
        (f"sbi, {THEIRS} pixels at once", batch),
        (f"pixsed, {model.name}, network alone", mine),
    ):
        print(f"{name:42s} {1e3 * seconds:9.2f} ms per pixel  {1 / seconds:9.2f} pixels/s/core")
    print(f"ratio to the faster of sbi's: {min(single, batch) / mine:.0f}")


if __name__ == "__main__":
    main()

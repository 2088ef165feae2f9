"""Speed of `pixsed fit`: python tests/benchmarks/bench_fit.py [--model M] [--pixels N] [--jobs J].

One run measures the rate of a large float32 matrix product on one core; the network alone,
`fit_cube` and the whole command, for both engines; the paper's network in sbi, if it is installed;
time and peak memory for N pixels and for a tenth of them (projected without --pixels); and the
start-up. Times are CPU seconds, the minimum of a few runs with the maximum in parentheses, so that
other work on the machine matters little. Whole commands also have their wall-clock time.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy is imported: one core

import bench_mosaic  # noqa: E402
import numpy as np  # noqa: E402
from astropy.wcs import WCS  # noqa: E402

from pixsed.bands import PAPER_BANDS  # noqa: E402
from pixsed.cores import cores  # noqa: E402
from pixsed.fit import graph, runtime  # noqa: E402
from pixsed.fit.cube import fit_cube  # noqa: E402
from pixsed.fit.draws import DEFAULT_SAMPLES, base_normals  # noqa: E402
from pixsed.fit.model import Model  # noqa: E402
from pixsed.fit.options import FitOptions  # noqa: E402
from pixsed.fit.posterior import BATCH, QUANTILE_BATCH  # noqa: E402
from pixsed.fit.select import select  # noqa: E402
from pixsed.io.formats.cube import Cube, write_cube  # noqa: E402
from pixsed.models import resolve  # noqa: E402

REPEATS, PAPER_DRAWS = 5, 500


def times(call, repeats=REPEATS):
    """Return the CPU seconds of a few runs, ascending."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return sorted(found)


def command(*arguments):
    """Run pixsed; return CPU seconds, wall-clock seconds and peak memory in MB."""
    began = time.perf_counter()
    # Start from a small process: the peak of a child begins at the peak of its parent.
    quiet = ["-q"] if arguments[0] == "fit" else []
    peak, seconds = bench_mosaic.run(None, *map(str, arguments), *quiet)
    return seconds, time.perf_counter() - began, peak


def make_cube(pixels, seed=1):
    """Return a cube of the paper's bands with about `pixels` pixels, all to be fitted."""
    width = max(1, int(pixels**0.5))
    shape = (-(-pixels // width), width)
    rng = np.random.default_rng(seed)
    cube = np.empty((len(PAPER_BANDS), *shape), dtype=np.float32)
    light = np.exp(rng.normal(1.0, 1.0, shape)).astype(np.float32)
    err = np.empty_like(cube)
    for i in range(len(cube)):
        err[i] = 0.1 + 0.03 * light
        cube[i] = light + err[i] * rng.standard_normal(shape, dtype=np.float32)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-0.03 / 3600, 0.03 / 3600]
    return Cube(list(PAPER_BANDS), cube, err, wcs.to_header(), 2.0, "bench")


def operations(path, feed, outputs):
    """Return the floating-point operations of the products of one call, by precision."""
    onnxruntime = runtime.load()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        content = graph.part(Path(path).read_bytes(), outputs)
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        known = {item.name for item in session.get_inputs()}
        session.run(outputs, {k: v for k, v in feed.items() if k in known})
        events = json.loads(Path(session.end_profiling()).read_text())
    found = {"float": 0, "double": 0}
    for event in events:
        inside = event.get("args", {})
        if inside.get("op_name") in ("Gemm", "MatMul", "FusedGemm", "FusedMatMul"):
            ((kind, a),) = inside["input_type_shape"][0].items()
            ((_, out),) = inside["output_type_shape"][0].items()
            # The inner axis is the last of a, or its first if a is transposed.
            inner = a[-1] if np.prod(a[:-1]) == np.prod(out[:-1]) else a[0]
            found[kind] += 2 * int(np.prod(out)) * int(inner)
    return found


def paper_network(z, flux, err):
    """Return the CPU seconds per pixel of the paper's network in sbi; None without sbi."""
    try:
        import torch

        from pixsed.simulate.noise import depths
        from pixsed.train.maf_paper import network_input
        from pixsed.train.maf_paper.checkpoint import build_network
    except ImportError:
        return None
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.from_numpy(network_input(flux, err, z, depths(PAPER_BANDS), PAPER_BANDS))
    try:
        network = build_network(
            torch.randn(1000, 7), x
        ).eval()  # an untrained network takes as long
    except ImportError:
        return None

    @torch.no_grad()
    def sample():
        network.sample((PAPER_DRAWS,), condition=x[:2])

    return times(sample, 2)[0] / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tau")
    parser.add_argument("--pixels", type=int, help="measure a mosaic of so many, and a tenth")
    parser.add_argument("--cube", type=int, default=20_000, help="pixels of the command's cube")
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--folder", help="for the cubes; by default a temporary one")
    options = parser.parse_args()
    path = resolve(options.model)
    model = Model(path, threads=1)
    engines = model.engines
    print(
        f"{_processor()}, {cores()} cores; python {platform.python_version()}; "
        f"{model.name}, {len(PAPER_BANDS)} of {len(model.bands)} bands, "
        f"{DEFAULT_SAMPLES} draws; seconds of CPU time, one thread, least of "
        f"{REPEATS} runs (and largest)"
    )
    a = np.random.default_rng(1).random((1500, 1500), dtype=np.float32)
    product = times(lambda: a @ a)
    peak = 2 * 1500**3 / product[0]
    print(
        f"float32 product of 1500 x 1500: {peak / 1e9:.1f} GFLOP/s "
        f"({2 * 1500**3 / product[-1] / 1e9:.1f})"
    )

    small = make_cube(4096)
    cuts = {"snr_min": -np.inf, "all_pixels": True}
    selection = select(small, model, FitOptions(**cuts))
    y, x = np.nonzero(selection.chosen)
    flux, err = selection.photometry(model, y, x)
    z = np.full(len(y), 2.0, dtype=np.float32)
    base = base_normals(1, y[:BATCH], x[:BATCH], DEFAULT_SAMPLES, model.base_dim)
    alone = {}
    for engine in engines:
        size = BATCH if engine == "flow" else QUANTILE_BATCH
        part = slice(0, size)
        seen = flux[part], err[part], z[part], 0 * z[part]
        calls = 8 if engine == "flow" else 2

        def network(seen=seen, engine=engine, calls=calls):
            for _ in range(calls):
                model.sample(*seen, base) if engine == "flow" else model.quantiles(*seen)

        network()
        found = times(network, 2 * REPEATS)
        each = alone[engine] = found[0] / calls / size
        feed = dict(zip(("flux", "flux_err", "redshift", "redshift_err"), seen, strict=True))
        feed["base"] = base
        outputs = ["samples"] if engine == "flow" else ["quantiles"]
        count = operations(path, feed, outputs)
        total = sum(count.values()) / size
        print(
            f"{engine}: network alone {1e3 * each:.4f} ms a pixel "
            f"({1e3 * found[-1] / calls / size:.4f}); products {total / 1e6:.2f} MFLOP a pixel, "
            f"{count['double'] / size / 1e6:.2f} of them in float64: "
            f"{total / each / 1e9:.1f} GFLOP/s, {total / each / peak:.0%} of that product"
        )
    for engine in engines:

        def fit(engine=engine):
            fit_cube(small, model, FitOptions(**cuts, engine=engine))

        fit()
        found = [t / len(y) for t in times(fit, 3)]
        print(
            f"{engine}: fit_cube {1e3 * found[0]:.4f} ms a pixel ({1e3 * found[-1]:.4f}); "
            f"{alone[engine] / found[0]:.0%} of the network's rate"
        )

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        whole = {}
        sizes = [options.cube]
        if options.pixels:
            sizes += [options.pixels // 10, options.pixels]
        one = Path(folder) / "one.fits"
        write_cube(make_cube(1), one)
        begin = command(
            "fit",
            one,
            "--model",
            path,
            "--all-pixels",
            "--snr-min",
            -1e9,
            "--jobs",
            1,
            "-o",
            Path(folder) / "one_maps.fits",
        )[0]
        for size in sizes:
            cube = Path(folder) / f"cube{size}.fits"
            made = make_cube(size)
            count = made.flux[0].size
            write_cube(made, cube)
            del made
            for engine in engines:
                jobs = 1 if size == options.cube else options.jobs
                cpu, wall, memory = command(
                    "fit",
                    cube,
                    "--model",
                    path,
                    "--engine",
                    engine,
                    "--all-pixels",
                    "--snr-min",
                    -1e9,
                    "--jobs",
                    jobs,
                    "--overwrite",
                    "-o",
                    Path(folder) / "maps.fits",
                )
                whole[engine] = (cpu - begin) / count
                print(
                    f"{engine}: pixsed fit of {count} pixels, {jobs} jobs: {cpu:.1f} s of CPU, "
                    f"{wall:.1f} s, peak {memory:.0f} MB; {1e3 * whole[engine]:.4f} ms a pixel "
                    f"past the start, {alone[engine] / whole[engine]:.0%} of the network's rate"
                )
            cube.unlink()
    for engine in engines:
        if not options.pixels:
            hours = 2e6 * whole[engine] / options.jobs / 60
            print(f"{engine}: 2 000 000 pixels on {options.jobs} cores, projected: {hours:.1f} min")
    columns = [model.bands.index(band) for band in PAPER_BANDS]
    theirs = paper_network(z[:2], flux[:2, columns], err[:2, columns])
    if theirs is None:
        print("sbi is not installed: no ratio to the paper's network")
    else:
        print(f"the paper's network through sbi, {PAPER_DRAWS} draws: {theirs:.3f} s a pixel")
        for engine in engines:
            print(
                f"{engine}: {theirs / alone[engine]:.0f} times sbi's pixels a second and core; "
                f"the whole command {theirs / whole[engine]:.0f} times"
            )
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.fits"
        write_cube(make_cube(1), one)
        fit = (
            "fit",
            one,
            "--model",
            path,
            "--all-pixels",
            "--snr-min",
            -1e9,
            "--overwrite",
            "-o",
            Path(folder) / "maps.fits",
        )
        for text, arguments in (
            ("pixsed --help", ["--help"]),
            ("pixsed fit --help", fit[:1]),
            ("first pixel", fit),
        ):
            arguments = [*arguments, "--help"] if text.startswith("pixsed fit") else arguments
            runs = sorted(command(*arguments)[:2] for _ in range(REPEATS))
            print(
                f"{text:18s} {runs[0][0]:.3f} s of CPU ({runs[-1][0]:.3f}), "
                f"{min(r[1] for r in runs):.3f} s of wall clock"
            )


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()

"""Speed of simulations: python tests/benchmarks/bench_simulate.py [-n N].

Prints, from one run: `pixsed simulate` of N populations in all bands on all cores, with the
memory of all its processes; the rate of Bagpipes' model_galaxy.update; that of python-fsps'
get_mags, nebular and dust emission on, where PIXSED_SPS_HOME or SPS_HOME names FSPS's data
(made-up data will do, as rates alone are taken); and their ratios beside the targets. Run it
on a machine that does nothing else; ratios are of CPU time, which other work disturbs less.
"""

import argparse
import importlib.util
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pixsed.cores import cores as cores_allowed

MINUTES, GIGABYTES, BAGPIPES, FSPS = 5.0, 4.0, 300.0, 50.0
BAGPIPES_MODELS, FSPS_MODELS = 100, 60

FSPS_CODE = """
import sys, time, numpy as np, fsps
population = fsps.StellarPopulation(
    zcontinuous=1, sfh=4, dust_type=2, imf_type=1, logzsol=0.0, add_neb_emission=True,
    add_neb_continuum=True, add_dust_emission=True, gas_logu=-2.0)
bands = [b for b in fsps.list_filters() if b.startswith(("jwst_f", "acs_", "wfc_acs"))][:29]
rng = np.random.default_rng(1)
def model():
    population.params["tau"] = 10 ** rng.uniform(-1, 1)
    population.params["sf_start"] = rng.uniform(0, 3)
    population.params["dust2"] = rng.uniform(0, 3)
    population.params["zred"] = z = rng.uniform(0.1, 2)
    population.get_mags(tage=13.0 - 4 * z, redshift=z, bands=bands)
model()
begin = time.process_time()
for _ in range(int(sys.argv[1])):
    model()
print("DONE", len(bands), (time.process_time() - begin) / int(sys.argv[1]))
"""


STEADY_CODE = """
import sys, time
from pixsed.bands import BANDS
from pixsed.simulate.batches import BatchMaker
from pixsed.simulate.options import SimulateOptions
from pixsed.sps.ssp import read_ssp
options = SimulateOptions("tau", [band.name for band in BANDS], 300_000, seed=1)
maker = BatchMaker(read_ssp(sys.argv[1]), options)
maker.make(0)
begin = time.process_time()
for number in range(1, 6):
    maker.make(number)
print((time.process_time() - begin) / 250000)
"""


def memory(root):
    """Return the memory of a process and its descendants in bytes (Linux)."""
    children, total = {}, 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(stat[1]), []).append(int(entry.name))
            except OSError:
                pass
    family = [root]
    for pid in family:
        family += children.get(pid, [])
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            pass
    return total * os.sysconf("SC_PAGE_SIZE")


def pixsed(folder, n, ssp, jobs):
    """Return seconds, CPU seconds and peak bytes of `pixsed simulate`."""
    command = [
        sys.executable,
        "-m",
        "pixsed",
        "simulate",
        "--ssp",
        str(ssp),
        "--prior",
        "tau",
        "-n",
        str(n),
        "--seed",
        "1",
        "-q",
        "-o",
        "sims.fits",
    ]
    if jobs:
        command += ["--jobs", str(jobs)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, cwd=folder)
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        sys.exit("pixsed simulate failed")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu, peak


def steady(ssp):
    """Return CPU seconds per population of a started process, as for the other codes."""
    result = subprocess.run(
        [sys.executable, "-c", STEADY_CODE, str(ssp)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    return float(result.stdout)


def bagpipes(folder):
    """Return seconds per model, or the reason why it cannot run."""
    from pixsed.bands import BANDS
    from pixsed.cosmology import age
    from pixsed.simulate.priors import PRIORS
    from pixsed.sps.filters import load_curve

    for name in ("bagpipes", "corner", "h5py", "msgpack", "nautilus", "pandas", "spectres"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    prior = PRIORS["tau"]()
    z, unit = prior.draw(BAGPIPES_MODELS, np.random.default_rng(1))
    history = prior.history(z, unit)
    columns = prior.parameters(z, unit, history, np.ones(len(z)))
    curves = [load_curve(band.name) for band in BANDS]
    np.savez(
        folder / "in.npz",
        z=z,
        age=age(z),
        tau=columns["TAU"],
        start=columns["TSTART"],
        mh=columns["METAL"],
        av=columns["AV"],
        law="Calzetti",
        eta=np.ones(len(z)),
        delta=np.zeros(len(z)),
        bump=np.zeros(len(z)),
        log_u=np.full(len(z), -2.0001),  # at a node of its grid Bagpipes would divide by zero
        resolution=100,
        bands=len(curves),
        **{f"wave_{i}": wave for i, (wave, _) in enumerate(curves)},
        **{f"transmission_{i}": t for i, (_, t) in enumerate(curves)},
    )
    script = Path(__file__).resolve().parents[1] / "sps" / "run_bagpipes.py"
    result = subprocess.run(
        [sys.executable, script, "in.npz", "out.npz"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, MPLBACKEND="Agg", OMP_NUM_THREADS="1"),
    )
    if result.returncode:
        return "it failed: " + result.stderr.strip().splitlines()[-1]
    return float(np.load(folder / "out.npz")["seconds"])


def fsps(folder):
    """Return seconds per model, or the reason why it cannot run."""
    home = os.environ.get("PIXSED_SPS_HOME") or os.environ.get("SPS_HOME")
    if not home:
        return "neither PIXSED_SPS_HOME nor SPS_HOME is set"
    if importlib.util.find_spec("fsps") is None:
        return "fsps is not installed"
    result = subprocess.run(
        [sys.executable, "-c", FSPS_CODE, str(FSPS_MODELS)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, SPS_HOME=home, OMP_NUM_THREADS="1"),
    )
    last = (result.stdout.strip().splitlines() or [""])[-1].split()
    if not last or last[0] != "DONE":  # its Fortran ends Python with status 0
        return "it stopped: " + (result.stdout + result.stderr).strip()[-200:]
    return float(last[2])


def verdict(value, target, most=False):
    met = value <= target if most else value >= target
    return f"target {'<' if most else '>'} {target:g}: {'met' if met else 'NOT MET'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=1_000_000, help="populations")
    parser.add_argument("--ssp", help="SSP grid; default: BC03 with --refine 3, as in the README")
    parser.add_argument("--jobs", type=int, help="processes; default: all cores")
    args = parser.parse_args()
    cores = args.jobs or cores_allowed()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if args.ssp:
            ssp = Path(args.ssp).resolve()
        else:
            from pixsed.sps import bc03
            from pixsed.sps.ssp import write_ssp

            ssp = folder / "bc03.fits"
            write_ssp(bc03.build(refine=3)[0], ssp)
        others = {"Bagpipes": bagpipes(folder), "python-fsps": fsps(folder)}
        seconds, cpu, peak = pixsed(folder, args.n, ssp, args.jobs)
        once_started = 1.0 / steady(ssp)
    from pixsed.bands import BANDS

    rate, each = args.n / seconds, args.n / cpu
    print(
        f"{platform.processor() or platform.machine()}, {cores} cores; load average "
        f"{os.getloadavg()[0]:.1f}"
    )
    print(
        f"pixsed simulate  {args.n} populations x {len(BANDS)} bands: {seconds:.1f} s, "
        f"{rate:,.0f} a second; {cpu:.1f} s of CPU, {each:,.0f} a second of it"
    )
    print(f"  once started   {once_started:,.0f} a second of CPU")
    million = seconds / args.n * 1e6 / 60
    print(f"  a million      {million:.2f} min; {verdict(million, MINUTES, most=True)}")
    gigabytes = peak / 1e9
    print(f"  peak memory    {gigabytes:.2f} GB; {verdict(gigabytes, GIGABYTES, most=True)}")
    for (name, value), target in zip(others.items(), (BAGPIPES, FSPS), strict=True):
        if isinstance(value, str):
            print(f"{name:16s} skipped: {value}")
            continue
        print(f"{name:16s} {value * 1e3:.2f} ms of CPU a model, {1 / value:.0f} a second")
        print(
            f"  pixsed         {once_started * value:,.0f} times that a core once started, as "
            f"theirs is; {verdict(once_started * value, target)}"
        )
        print(
            f"                 {each * value:,.0f} times a core and {rate * value:,.0f} times on "
            "all of them, start and file included"
        )


if __name__ == "__main__":
    main()

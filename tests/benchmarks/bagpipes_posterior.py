"""Posterior of a pixel by unmodified Bagpipes with nautilus, for `nested_sampling.py`.

Bagpipes runs in a process of its own, since it writes into the folder that it runs in.
"""

import os
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path

import numpy as np

import pixsed
from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.sps.sfh import TauDelayed


def posterior(ssp, z, flux, err, live):
    """Return columns of the posterior of a pixel in the bands of the paper."""
    from pixsed.sps.filters import load_curve

    with tempfile.TemporaryDirectory() as folder:
        curves = {}
        for i, band in enumerate(PAPER_BANDS):
            curves[f"wave_{i}"], curves[f"transmission_{i}"] = load_curve(band)
        np.savez(Path(folder, "in.npz"), z=z, age=age(z), flux=flux, err=err, live=live, **curves)
        place = str(Path(pixsed.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "in.npz", "out.npz"],
            cwd=folder,
            capture_output=True,
            text=True,
            env=dict(os.environ, MPLBACKEND="Agg", PYTHONPATH=place),
        )
        if done.returncode:
            raise SystemExit(f"Bagpipes failed: {done.stderr[-1500:]}")
        with np.load(Path(folder, "out.npz")) as out:
            found = {name: out[name] for name in out.files}
    start = np.clip(age(z) - found.pop("LOOKBACK"), 0, age(z))
    history = TauDelayed(found["TAU"], start, np.full(len(start), float(age(z))))
    weights, metal = history.weights(ssp.age_edges), found["METAL"]
    surviving = (ssp.metallicity_weights(metal) * (weights @ ssp.surviving.T)).sum(axis=1)
    t50 = history.formation_time(0.5)
    return found | {
        "TSTART": start,
        "LOGMSTAR": found["LOGMFORM"] + np.log10(surviving),
        "LOGSFR": found["LOGMFORM"] + history.log_sfr(),
        "AGE": history.mass_weighted_age(),
        "T50LB": (1 - t50) * age(z),
    }


def _inside(source, target):
    """Run Bagpipes; the work of the child process."""
    warnings.simplefilter("ignore")
    sys.modules.setdefault("pymultinest", types.ModuleType("pymultinest"))
    import bagpipes as pipes

    given = np.load(source)
    names = []
    for i in range(len(given["flux"])):
        names.append(f"{i}.dat")
        np.savetxt(names[-1], np.column_stack([given[f"wave_{i}"], given[f"transmission_{i}"]]))
    photometry = np.column_stack([given["flux"], given["err"]]) * 1e-3  # uJy

    galaxy = pipes.galaxy(
        "1", lambda _: photometry, filt_list=names, spectrum_exists=False, phot_units="mujy"
    )
    wanted = {
        "redshift": float(given["z"]),
        "t_bc": 0.01,
        "nebular": {"logU": -2.0001},
        "delayed": {
            "age": (1e-3, float(given["age"])),
            "tau": (0.01, 100.0),
            "tau_prior": "log_10",
            "massformed": (4.0, 12.0),
            "metallicity": (10**-2.3, 10**0.4),
            "metallicity_prior": "log_10",
        },
        "dust": {"type": "Calzetti", "Av": (0.0, 4.0)},
    }
    fit = pipes.fit(galaxy, wanted, n_posterior=2000)
    fit.fit(sampler="nautilus", n_live=int(given["live"]), n_networks=1)
    columns = dict(zip(fit.fitted_model.params, fit.results["samples2d"].T, strict=True))
    np.savez(
        target,
        LOGMFORM=columns["delayed:massformed"],
        AV=columns["dust:Av"],
        METAL=np.log10(columns["delayed:metallicity"]),
        TAU=columns["delayed:tau"],
        LOOKBACK=columns["delayed:age"],
    )


if __name__ == "__main__":
    _inside(*sys.argv[1:])

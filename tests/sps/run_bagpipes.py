"""Photometry of Bagpipes, in a separate process: run_bagpipes.py IN.npz OUT.npz.

Its import prints, changes matplotlib's state and asks for a sampler that is not needed
here. IN holds z, age, tau, start, mh, av, eta, delta, bump, log_u (N,), law, resolution, and the
curves, `wave_i` and `transmission_i`; OUT flux [nJy] for 1e10 Msun, what it derives, the mass it
formed in each of its age bins, their edges [Gyr], and the CPU seconds a model.
"""

import sys
import time
import types
import warnings

import numpy as np


def main(source, target):
    warnings.simplefilter("ignore")
    sys.modules.setdefault("pymultinest", types.ModuleType("pymultinest"))
    import bagpipes

    given = np.load(source)
    bagpipes.config.R_phot = float(given["resolution"])
    curves = []
    for i in range(int(given["bands"])):
        name = f"{target}.{i}.dat"
        np.savetxt(name, np.column_stack([given[f"wave_{i}"], given[f"transmission_{i}"]]))
        curves.append(name)
    galaxy, flux, derived, formed = None, [], [], []
    seconds = 0.0
    for i in range(len(given["z"])):
        values = (float(given[key][i]) for key in ("z", "age", "tau", "start", "mh", "av"))
        z, age, tau, start, mh, av = values
        eta, delta, bump, log_u = (
            float(given[key][i]) for key in ("eta", "delta", "bump", "log_u")
        )
        shape = {"n": 0.7, "delta": delta, "B": bump}
        parts = {
            "redshift": z,
            "t_bc": 0.01,
            "nebular": {"logU": log_u},
            "delayed": {"age": age - start, "tau": tau, "massformed": 10.0, "metallicity": 10**mh},
            "dust": {"type": str(given["law"]), "Av": av, "eta": eta, **shape},
        }
        begin = time.process_time()
        if galaxy is None:
            galaxy = bagpipes.model_galaxy(parts, filt_list=curves, phot_units="mujy")
        else:
            galaxy.update(parts)
            seconds += time.process_time() - begin
        history = galaxy.sfh
        flux.append(galaxy.photometry * 1e3)
        derived.append((history.stellar_mass, history.sfr, history.mass_weighted_age))
        formed.append(history.ceh.grid.sum(axis=0) / 1e10)
    np.savez(
        target,
        flux=flux,
        derived=derived,
        formed=formed,
        edges=bagpipes.config.age_bins / 1e9,
        seconds=seconds / max(len(flux) - 1, 1),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Rest-frame spectra of Bagpipes with nebular emission, in a separate process: OUT.npz LOGU...

A constant star-formation rate over the last 8.9 Myr (an edge of its age bins), 1 Msun formed,
Z = 0.4 Zsun, without dust. OUT holds wave [Angstrom], spectra [Lsun / Angstrom], one for each
log U, and lines [Lsun] with their wavelengths.
"""

import sys
import types
import warnings

import numpy as np


def main(target, *values):
    warnings.simplefilter("ignore")
    sys.modules.setdefault("pymultinest", types.ModuleType("pymultinest"))
    import bagpipes

    lsun, spectra, lines = 3.826e33, [], []
    for value in values:
        parts = {
            "redshift": 0.0,
            "t_bc": 0.01,
            "nebular": {"logU": float(value)},
            "constant": {
                "age_max": 10**-2.05,
                "age_min": 0.0,
                "massformed": 0.0,
                "metallicity": 0.4,
            },
        }
        galaxy = bagpipes.model_galaxy(parts, spec_wavs=np.arange(1000.0, 10000.0, 1.0))
        spectra.append(galaxy.spectrum_full / lsun)
        lines.append(np.array(list(galaxy.line_fluxes.values())) / lsun)
    np.savez(
        target,
        wave=galaxy.wavelengths,
        spectra=spectra,
        lines=lines,
        line_wave=bagpipes.config.line_wavs,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Fixtures of the tests of networks for the prior broad."""

import numpy as np
import pytest
from synthetic_ssp import synthetic_ssp

# Narrow, medium, wide and very wide bands.
BANDS = "F435W F606W F115W F187N F210M F444W F466N F322W2 MIRI_F770W".split()


@pytest.fixture(scope="session")
def broad_grids():
    """Two synthetic SSP grids with different spectra."""
    first, second = synthetic_ssp(), synthetic_ssp()
    second.spectra = second.spectra * (second.wave / 5000.0) ** 0.2
    return [first, second]


@pytest.fixture(scope="session")
def broad_simulations(broad_grids):
    """1500 simulations of the prior broad in nine bands."""
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.simulate.batches import simulate
    from pixsed.simulate.options import SimulateOptions
    from pixsed.simulate.priors import PRIORS
    from pixsed.simulate.table import Simulations

    options = SimulateOptions("broad", BANDS, 1500, seed=8, batch=1500)
    (rows,) = simulate(broad_grids, options)
    columns = {name: rows[name].astype(float) for name in PRIORS["broad"].columns()}
    unit, flux = rows["UNIT"].astype(float), rows["FLUX"].astype(np.float32)
    return Simulations("broad", BANDS, columns, unit, flux, {"IGM": "inoue14"})

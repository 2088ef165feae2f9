"""Small SSP grid made by formulas, for tests that work with any grid.

Its populations are black bodies that fade and redden with age, above a faint hot component.
They resemble galaxies closely enough to simulate, train and validate with, and need no files.
Tests of the BC03 and FSPS grids themselves, and comparisons with Bagpipes, use the real files.
"""

import numpy as np
from astropy import units as u
from astropy.modeling.physical_models import BlackBody

from pixsed.sps.bc03 import BIRTH_CLOUD, age_bin_edges
from pixsed.sps.ssp import SSPGrid, log_u_card

WAVE = np.geomspace(91.0, 2e5, 2000)
DUST_WAVE = np.geomspace(1e4, 1e7, 2000)
METALLICITY = np.array([-2.3, -1.3, -0.6, 0.0, 0.4])
#: Wavelength in Angstrom -> fraction of the light of a young population.
LINES = {1215.67: 0.013, 3728.0: 0.002, 4862.7: 0.0016, 5008.2: 0.0032, 6564.6: 0.005}
LOG_U = np.array([-4.0, -3.0, -2.0, -1.0])
#: Dust emission: centre and width in Angstrom -> fraction of the energy.
PAH = {(3.29e4, 0.05e4): 0.01, (7.7e4, 0.4e4): 0.1}


def black_body(temperature, wave):
    """Return black bodies per Angstrom, each with an integral of 1 over all wavelengths.

    Parameters
    ----------
    temperature : `~numpy.ndarray`
        Kelvin, any shape.
    wave : `~numpy.ndarray`, shape (W,)
        Angstrom.
    """
    temperature = np.asarray(temperature)[..., None] * u.K
    law = BlackBody(temperature, scale=1.0 * u.erg / (u.cm**2 * u.s * u.AA * u.sr))
    with np.errstate(over="ignore"):
        return (u.sr * law(wave * u.AA) / law.bolometric_flux).to_value("1 / AA")


def synthetic_ssp():
    """Return the `~pixsed.sps.ssp.SSPGrid`: 5 metallicities, 43 ages, 4 log U, 2000 wavelengths.

    Its lines are those of `LINES` at log U = -2, and vary with log U as the continuum does.
    """
    edges = age_bin_edges()
    myr = 1e3 * np.sqrt(np.maximum(edges[:-1], 1e-4) * edges[1:])
    metal = METALLICITY[:, None]
    light = 3000.0 * myr**-0.8 * 10.0 ** (-0.05 * metal)  # Lsun per Msun formed
    temperature = 40_000.0 * myr**-0.25 * 10.0 ** (-0.06 * metal)
    spectra = 0.99 * black_body(temperature, WAVE) + 0.01 * black_body(25_000.0, WAVE)
    spectra *= light[..., None]
    young = edges[1:] <= BIRTH_CLOUD * (1 + 1e-9)
    spectra[:, young] *= WAVE > 912.0  # the gas absorbs the ionising light
    light = light[:, young]
    strength = 1.0 + 0.3 * (LOG_U[:, None, None, None] + 2.0)  # of the gas, by log U
    lines = strength * light[..., None] * np.array(list(LINES.values()))
    continuum = 0.02 * black_body(12_000.0, WAVE) * (WAVE > 912.0)
    nebular = strength * light[..., None] * continuum
    living = (1.0 - 0.12 * np.log10(1.0 + myr / 3.0)) * (1.0 - 0.01 * metal) / 1.023
    dust = (1.0 - sum(PAH.values())) * black_body(40.0, DUST_WAVE)
    for (centre, width), fraction in PAH.items():
        bump = np.exp(-0.5 * ((DUST_WAVE - centre) / width) ** 2)
        dust += fraction * bump / np.trapezoid(bump, DUST_WAVE)
    return SSPGrid(
        wave=WAVE,
        age_edges=edges,
        metallicity=METALLICITY,
        spectra=spectra.astype(np.float32),
        log_u=LOG_U,
        nebular=nebular.astype(np.float32),
        line_wave=np.array(list(LINES)),
        lines=lines,
        living=living,
        remnant=0.3 * (1.0 - living),
        dust_wave=DUST_WAVE,
        dust_spectrum=dust / np.trapezoid(dust, DUST_WAVE),
        meta={
            "LIBRARY": "SYNTHETIC",
            "ISOCHRO": "none",
            "SPECLIB": "black bodies",
            "IMF": "none",
            "ZSUN": 0.02,
            "LOGU": log_u_card(LOG_U),
            "LSUN": 3.826e33,
            "ZINTERP": "log",
            "NEBULAR": "a black body and five lines, stars below 10 Myr",
            "DUSTEM": "black body of 40 K and two PAH features",
        },
    )

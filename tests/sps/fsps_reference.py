"""Reference spectra of FSPS, in a separate process: fsps_reference.py DRAWS.npz OUTPUT.npz.

SPS_HOME must be set. DRAWS holds, by population: age [Gyr], start, tau [Gyr], mh, av, z, and a
table t [Gyr], sfr; `variants`, a row of switches each: 0 tau-delayed or 1 tabulated, nebular,
dust, dust emission, lines within the spectrum; and agb_dust. Saved: spectra [Lsun/Hz], lines
[Lsun], the surviving mass, and magnitudes, for 1 Msun formed, by population and variant; and
FSPS's filter curves.
"""

import sys

import fsps
import numpy as np

draws, output = np.load(sys.argv[1]), sys.argv[2]
bands = [name for name in fsps.list_filters() if name.startswith(("wfc_acs_f", "jwst_f"))]
curves = {name: fsps.get_filter(name).transmission for name in bands}
# Within the wavelengths that pixsed covers.
bands = [name for name in bands if curves[name][0][0] > 3400 and curves[name][0][-1] < 53000]

sp = fsps.StellarPopulation(
    zcontinuous=1,
    imf_type=1,
    dust_type=2,
    gas_logu=-2.0,
    duste_qpah=2.0,
    duste_umin=1.0,
    duste_gamma=0.01,
    add_agb_dust_model=bool(draws["agb_dust"]),
)
saved = {"spectra": [], "lines": [], "mass": [], "mags": []}
for i, age in enumerate(draws["age"]):
    sp.params["logzsol"] = sp.params["gas_logz"] = draws["mh"][i]
    for table, nebular, dust, emission, within in draws["variants"]:
        # dust2 is an optical depth at 5500 Angstrom, not A_V.
        sp.params["dust2"] = draws["av"][i] / (2.5 * np.log10(np.e)) if dust else 0.0
        sp.params["add_neb_emission"] = bool(nebular)
        sp.params["add_dust_emission"] = bool(emission)
        sp.params["nebemlineinspec"] = bool(within)
        if table:
            sp.params["sfh"], sp.params["sf_start"] = 3, 0.0
            sp.set_tabular_sfh(draws["t"][i], draws["sfr"][i])
            formed = np.trapezoid(draws["sfr"][i], draws["t"][i] * 1e9)
        else:
            sp.params["sfh"], formed = 4, 1.0
            sp.params["tau"], sp.params["sf_start"] = draws["tau"][i], draws["start"][i]
        wave, spectrum = sp.get_spectrum(tage=age)
        saved["spectra"].append(spectrum / formed)
        saved["lines"].append(sp.emline_luminosity / formed)
        saved["mass"].append(sp.stellar_mass / formed)
        mags = sp.get_mags(tage=age, redshift=draws["z"][i], bands=bands)
        saved["mags"].append(mags + 2.5 * np.log10(formed))
shape = (len(draws["age"]), len(draws["variants"]))
saved = {key: np.reshape(value, (*shape, *np.shape(value[0]))) for key, value in saved.items()}
for name in bands:
    saved[f"curve_{name}"] = np.array(curves[name])
np.savez(output, wave=wave, line_wave=sp.emline_wavelengths, resolution=sp.resolutions, **saved)
print("done")

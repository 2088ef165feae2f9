"""Simulations of one prior as a table for `pixsed validate`, in the bands of the paper.

    python tests/benchmarks/outside_prior.py tau --ssp bc03.fits -o tau_bc03.fits
    python tests/benchmarks/outside_prior.py broad --ssp bc03.fits --ssp fsps.fits \
        --library-fraction 1 -o fsps.fits
    pixsed validate broad tau_bc03.fits -o report.fits

Such a table can be scored with any model, whatever its bands, prior and SSPs. The populations are
from `pixsed simulate`; options that this script does not know are passed to it. The noise has the
depths of the paper with a scatter of 0.25 in ln, and 3 % of the flux. The first -n populations
with a mean S/N above 5 in F277W, F356W and F444W are kept. The truths are all columns of the
simulations, as ``<PROPERTY>_TRUE``.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from pixsed.bands import PAPER_BANDS
from pixsed.io.writers.tables import write_table
from pixsed.properties import unit_and_description
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.observe import observe
from pixsed.simulate.table import read_simulations
from pixsed.validate.cases import row_snr, with_t50lb

NOISE = replace(DEPTH, name="depth, 3 %", fraction_low=0.03, fraction_high=0.03)
SNR_MIN = 5.0


def simulate(prior, ssp, number, seed, options):
    """Return the `~pixsed.simulate.table.Simulations` of a prior in the bands of the paper."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sims.fits")
        command = [sys.executable, "-m", "pixsed", "simulate", "--prior", prior]
        for grid in ssp:
            command += ["--ssp", grid]
        command += ["-n", str(number), "--seed", str(seed), "--bands", ",".join(PAPER_BANDS)]
        subprocess.run([*command, *options, "-o", str(path)], check=True)
        return read_simulations(path)


def table_of(simulations, number, seed):
    """Return the table of the first `number` populations above the S/N cut."""
    rng = np.random.default_rng([seed, 1])
    true = simulations.flux.astype(float)
    flux, err = observe(true, PAPER_BANDS, NOISE, np.ones(true.shape, dtype=bool), rng)
    rows = np.flatnonzero(row_snr(flux, err, PAPER_BANDS) > SNR_MIN)[:number]
    columns = with_t50lb(simulations.columns)
    table = Table({"ID": rows, "REDSHIFT": columns.pop("REDSHIFT")[rows]})
    for i, band in enumerate(PAPER_BANDS):
        for name, values in ((band, flux), (f"{band}_ERR", err)):
            table[name] = values[rows, i]
            table[name].unit = "nJy"
    for name, values in columns.items():
        table[f"{name}_TRUE"] = values[rows]
        unit, text = unit_and_description(name)
        table[f"{name}_TRUE"].unit = unit or None
        table[f"{name}_TRUE"].description = text
    return table


def main():
    """Simulate, observe and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prior")
    parser.add_argument("--ssp", action="append", required=True)
    parser.add_argument("-n", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=8160)
    parser.add_argument("--label", help="name in the matrix; default: that of the prior")
    parser.add_argument("-o", "--output", required=True)
    given, options = parser.parse_known_args()
    simulations = simulate(given.prior, given.ssp, 4 * given.n, given.seed, options)
    table = table_of(simulations, given.n, given.seed)
    cards = {"TRUTHS": given.label or given.prior, "SEED": given.seed}
    cards |= {key: simulations.meta[key] for key in ("IMF", "ZSUN") if key in simulations.meta}
    cards["SIMULATD"] = (True, "simulated, not observed")
    write_table(table, given.output, overwrite=True, name="TRUTHS", **cards)
    print(f"{given.output}: {len(table)} populations of {cards['TRUTHS']}")


if __name__ == "__main__":
    main()

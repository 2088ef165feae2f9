"""Mock observations of noiseless fluxes, with random bands, errors and noise."""

import numpy as np

from pixsed.bands import BASIC_BANDS, PAPER_BANDS
from pixsed.dq import MIN_BANDS
from pixsed.simulate.noise.depth import total_error

_WIDE = "F115W F150W F200W F277W F356W F444W".split()
_ACS = "F435W F606W F775W F814W F850LP".split()
_CANDELS = [*_ACS, "F105W", "F125W", "F160W"]
_JADES = [*_ACS, *"F070W F090W F115W F150W F162M F182M F200W F210M F250M".split()]
_JADES += "F277W F300M F335M F356W F410M F430M F444W F460M F480M".split()
_IRAC = ["IRAC_CH1", "IRAC_CH2"]
_NIRISS = ["NIRISS_F115W", "NIRISS_F150W", "NIRISS_F200W"]
_MEDIUMS = "F140M F162M F182M F210M F250M F300M F335M F360M F410M F430M F460M F480M".split()
_NARROWS = "F164N F187N F212N F323N F405N F466N F470N".split()
_OPTICAL_UVIS = "F275W F336W F390W F438W F475W F555W F606W F625W F775W F814W".split()
_CLASH = "F435W F475W F606W F625W F775W F814W F850LP F105W F110W F125W F140W F160W".split()
#: Band sets of real surveys.
SURVEYS = {
    "paper": PAPER_BANDS,
    "JADES": _JADES,
    "JOF": [band for band in _JADES if band not in ("F070W", "F430M", "F460M", "F480M")],
    "CEERS": ["F606W", "F814W", "F125W", "F140W", "F160W", *_WIDE, "F410M"],
    "PRIMER": ["F435W", "F606W", "F814W", "F125W", "F160W", "F090W", *_WIDE, "F410M"],
    "PRIMER with MIRI": ["F606W", "F814W", "F090W", *_WIDE, "F410M", "MIRI_F770W"],
    "COSMOS-Web": ["F814W", "F115W", "F150W", "F277W", "F444W"],
    "COSMOS-Web with MIRI": ["F814W", "F115W", "F150W", "F277W", "F444W", "MIRI_F770W"],
    "SMILES": [*PAPER_BANDS, "MIRI_F560W", "MIRI_F770W"],
    "GLASS": ["F435W", "F606W", "F814W", "F090W", *_WIDE, "F410M"],
    "CANDELS": _CANDELS,
    "CANDELS with IRAC": [*_CANDELS, "F098M", *_IRAC],
    "UVCANDELS": ["UVIS_F275W", "F435W", "F606W", "F814W", "F125W", "F140W", "F160W"],
    "HDUV": ["UVIS_F275W", "UVIS_F336W", *_CANDELS],
    "UVIS with JWST": ["UVIS_F275W", "UVIS_F336W", *PAPER_BANDS],
    "LEGUS": [f"UVIS_{band}" for band in "F275W F336W F438W F555W F814W".split()],
    "UVIS": [f"UVIS_{band}" for band in _OPTICAL_UVIS],
    "HFF": "F435W F606W F814W F105W F125W F140W F160W".split(),
    "HFF with IRAC": [*"F435W F606W F814W F105W F125W F140W F160W".split(), *_IRAC],
    "CLASH": ["UVIS_F275W", "UVIS_F336W", "UVIS_F390W", *_CLASH],
    "HST": [*_CLASH, "F555W", "F098M"],
    "NGDEEP": ["F435W", "F606W", "F775W", "F814W", *_NIRISS, *_WIDE],
    "CANUCS": ["F435W", "F606W", "F814W", "NIRISS_F090W", *_NIRISS, "F090W", *_WIDE, "F410M"],
    "NIRISS": ["NIRISS_F090W", *_NIRISS, "NIRISS_F140M", "NIRISS_F158M", "F606W", "F814W"],
    "wide": [*_WIDE],
    "very wide": ["F150W2", "F322W2", "F606W", "F814W", "F444W"],
    "mediums": _MEDIUMS,
    "mediums and narrows": ["F090W", *_WIDE, *_MEDIUMS, *_NARROWS],
    "JELS": ["F606W", "F814W", "F090W", *_WIDE, "F410M", "F212N", "F466N", "F470N"],
}
#: Fractions of the training rows: three surveys, all others together, a random number of
#: bands, and all bands.
ODDS = {"paper": 0.3, "JADES": 0.12, "JOF": 0.12, "others": 0.25, "random": 0.15, "all": 0.06}


def survey_masks(bands):
    """Return the band sets of the surveys as an array of bool, shape (surveys, B)."""
    return np.array([[band in set(chosen) for band in bands] for chosen in SURVEYS.values()])


def draw_masks(bands, n, rng):
    """Draw the bands that are present in training rows.

    The rows have the bands of a survey, a random number of bands, or all bands, with the
    probabilities `ODDS`. A random number of bands is taken from `pixsed.bands.BASIC_BANDS` in
    half of the rows, from all bands in the others. A third of all rows then lose up to ten
    random bands.

    Parameters
    ----------
    bands : sequence of str
    n : int
    rng : `~numpy.random.Generator`

    Returns
    -------
    `~numpy.ndarray` of bool, shape (n, B)
        At least `MIN_BANDS` per row, or all bands if there are fewer.
    """
    total = len(bands)
    surveys, odds = _surveys_and_odds(bands)
    # Two further kinds: a random number of bands (no band yet), and all bands.
    sets = np.vstack([surveys, np.zeros(total, dtype=bool), np.ones(total, dtype=bool)])
    kind = np.searchsorted(np.cumsum(odds)[:-1], rng.random(n), side="right")
    mask = sets[kind]
    some = np.flatnonzero(kind == len(surveys))
    mask[some] = _random_bands(bands, len(some), rng)
    count = np.where(rng.random(n) < 1 / 3, rng.integers(0, 11, n), 0)
    return drop_bands(mask, count, rng)


def _surveys_and_odds(bands):
    """Return the masks of surveys, and the probabilities of these, of random and of all bands."""
    masks = survey_masks(bands)
    named = np.array([name in ODDS for name in SURVEYS])
    odds = np.where(named, [ODDS.get(name, 0.0) for name in SURVEYS], ODDS["others"])
    odds[~named] /= np.sum(~named)
    # If the bands are few, leave out surveys with too few of them.
    enough = masks.sum(axis=1) >= MIN_BANDS
    masks, odds = masks[enough], odds[enough]
    if not enough.any():
        masks, odds = np.ones((1, len(bands)), dtype=bool), np.ones(1)
    rest = [ODDS["random"], ODDS["all"]]
    return masks, np.append(odds / odds.sum() * (1.0 - sum(rest)), rest)


def _random_bands(bands, n, rng):
    """Return masks (n, B) of a random number of bands, at least `MIN_BANDS` if there are."""
    total = len(bands)
    basic = np.isin(bands, BASIC_BANDS)
    pool = np.ones((n, total), dtype=bool)
    if basic.sum() >= MIN_BANDS:
        pool[: n // 2] = basic  # the rows are in random order
    size = pool.sum(axis=1)
    count = rng.integers(np.minimum(MIN_BANDS, size), size + 1)
    return _choose(pool, count, rng)


def _choose(mask, count, rng):
    """Return a mask of `count` random elements of each row of `mask`, of the true ones."""
    n, total = mask.shape
    bits = max(1, int(total - 1).bit_length())
    # The column in the lowest bits makes the keys of a row differ.
    keys = rng.integers(0, 1 << (31 - bits), (n, total), dtype=np.uint32) << np.uint32(bits)
    keys |= np.arange(total, dtype=np.uint32)
    keys[~mask] |= np.uint32(1 << 31)
    ordered = np.sort(keys, axis=1)
    last = ordered[np.arange(n), np.maximum(count, 1) - 1]
    return mask & (keys <= last[:, None]) & (count > 0)[:, None]


def drop_bands(mask, count, rng):
    """Return `mask` (N, B) without `count` (N,) random bands per row; `MIN_BANDS` remain."""
    count = np.minimum(count, np.maximum(mask.sum(axis=1) - MIN_BANDS, 0))
    rows = np.flatnonzero(count)
    result = mask.copy()
    result[rows] &= ~_choose(mask[rows], count[rows], rng)
    return result


def measure(flux, bands, noise, rng):
    """Return noisy fluxes and the errors that a survey would publish.

    The part of the error that grows with flux is computed from the observed flux. Computed from
    the true flux, it would reveal the truth.

    Parameters
    ----------
    flux : `~numpy.ndarray`, shape (N, B)
        Noiseless, nJy.
    bands : sequence of str
    noise : noise model
        A noise model of `pixsed.simulate.noise`.
    rng : `~numpy.random.Generator`

    Returns
    -------
    flux, flux_err : `~numpy.ndarray`, shape (N, B)
    """
    sky, fraction = noise.parts(flux, bands, rng)
    noise = total_error(flux, sky, fraction)
    noise *= rng.standard_normal(flux.shape, dtype=np.float32)
    noisy = flux + noise
    return noisy, total_error(noisy, sky, fraction)


def observe(flux, bands, noise, mask, rng):
    """Return noisy fluxes and their errors, NaN where `mask` is false.

    Parameters
    ----------
    flux : `~numpy.ndarray`, shape (N, B)
        Noiseless, nJy.
    bands : sequence of str
    noise : noise model
        A noise model of `pixsed.simulate.noise`.
    mask : `~numpy.ndarray` of bool, shape (N, B)
    rng : `~numpy.random.Generator`

    Returns
    -------
    flux, flux_err : `~numpy.ndarray`, shape (N, B), float32
    """
    noisy, sigma = measure(flux, bands, noise, rng)
    noisy, sigma = noisy.astype(np.float32), sigma.astype(np.float32)
    noisy[~mask] = np.nan
    sigma[~mask] = np.nan
    return noisy, sigma


def draw_redshift_error(z, fraction, largest, rng):
    """Return observed redshifts and their errors.

    Parameters
    ----------
    z : `~numpy.ndarray`, shape (N,)
    fraction : float
        Fraction of rows with an error; the redshifts of the others are exact.
    largest : float
        Largest error over 1 + z; errors over 1 + z are log-uniform from 0.001 to this.
    rng : `~numpy.random.Generator`

    Returns
    -------
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
    """
    error = (1 + z) * np.exp(rng.uniform(np.log(1e-3), np.log(largest), len(z)))
    error[rng.random(len(z)) >= fraction] = 0.0
    return np.maximum(z + error * rng.standard_normal(len(z)), 0.0), error

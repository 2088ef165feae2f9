"""Mock observations of noiseless fluxes, with random bands, errors and noise."""

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.dq import MIN_BANDS
from pixsed.simulate.noise.depth import total_error

_WIDE = "F115W F150W F200W F277W F356W F444W".split()
_CANDELS = "F435W F606W F775W F814W F850LP F105W F125W F160W".split()
#: Band sets of real surveys, the most common first.
SURVEYS = {
    "paper": PAPER_BANDS,
    "JADES": "F435W F606W F775W F814W F850LP F070W F090W F115W F150W F162M F182M F200W F210M "
    "F250M F277W F300M F335M F356W F410M F430M F444W F460M F480M".split(),
    "JOF": "F435W F606W F775W F814W F850LP F090W F115W F150W F162M F182M F200W F210M F250M "
    "F277W F300M F335M F356W F410M F444W".split(),
    "CEERS": ["F606W", "F814W", "F125W", "F140W", "F160W", *_WIDE, "F410M"],
    "PRIMER": ["F435W", "F606W", "F814W", "F125W", "F160W", "F090W", *_WIDE, "F410M"],
    "COSMOS-Web": ["F814W", "F115W", "F150W", "F277W", "F444W"],
    "GLASS": ["F435W", "F606W", "F814W", "F090W", *_WIDE, "F410M"],
    "CANDELS": _CANDELS,
    "wide": [*_WIDE],
    "mediums": "F140M F162M F182M F210M F250M F300M F335M F360M F410M F430M F460M F480M".split(),
}


def survey_masks(bands):
    """Return the band sets of the surveys as an array of bool, shape (surveys, B)."""
    return np.array([[band in set(chosen) for band in bands] for chosen in SURVEYS.values()])


def draw_masks(bands, n, rng):
    """Draw the bands that are present in training rows.

    10 % of the rows have all bands, 60 % have the bands of a survey (most often of the paper or
    of JADES), and 30 % have a random number of bands. A third of all rows then lose up to ten
    random bands.

    Parameters
    ----------
    bands : sequence of str
    n : int
    rng : `~numpy.random.Generator`

    Returns
    -------
    `~numpy.ndarray` of bool, shape (n, B)
        At least `MIN_BANDS` per row.
    """
    total = len(bands)
    surveys = survey_masks(bands)
    odds = np.array([5.0, 2.0, 2.0] + [1.0] * (len(surveys) - 3))
    # If the bands are few, leave out surveys with too few of them.
    enough = surveys.sum(axis=1) >= MIN_BANDS
    if enough.any():
        surveys, odds = surveys[enough], odds[enough]
    else:
        surveys, odds = np.ones((1, total), dtype=bool), np.ones(1)
    mask = surveys[rng.choice(len(surveys), n, p=odds / odds.sum())]
    kind = rng.random(n)
    mask[kind < 0.1] = True
    order = np.argsort(rng.random((n, total)), axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(total), axis=1)
    some = kind > 0.7
    mask[some] = (rank < rng.integers(MIN_BANDS, total + 1, (n, 1)))[some]
    return drop_bands(mask, np.where(rng.random(n) < 1 / 3, rng.integers(0, 11, n), 0), rng)


def drop_bands(mask, count, rng):
    """Return `mask` (N, B) without `count` (N,) random bands per row; `MIN_BANDS` remain."""
    key = np.where(mask, rng.random(mask.shape), 2.0)
    rank = np.argsort(np.argsort(key, axis=1), axis=1)
    count = np.minimum(count, np.maximum(mask.sum(axis=1) - MIN_BANDS, 0))
    return mask & (rank >= count[:, None])


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
    noisy = flux + total_error(flux, sky, fraction) * rng.standard_normal(flux.shape)
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

"""Cases of a test: simulations observed as in different surveys."""

from dataclasses import dataclass

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.observe import draw_redshift_error, drop_bands, observe
from pixsed.simulate.table import read_simulations
from pixsed.snr import mean_snr
from pixsed.validate.bins import BINS, bin_name, rows_in

#: Number of simulations that are observed together, with one stream of random numbers.
BLOCK = 10_000


@dataclass(frozen=True)
class Case:
    """Bands and redshift errors with which simulations are observed.

    Attributes
    ----------
    label : str
    bands : {"paper", "all"}
        The 19 bands of Iglesias-Navarro+25, or all bands of the model.
    keep : int
        Number of random bands that each row keeps; 0 = all.
    drop : tuple of int
        Minimum and maximum number of random bands that each row loses.
    photo_z : bool
        Redshifts have errors, up to the largest of the model's training.
    """

    label: str
    bands: str = "paper"
    keep: int = 0
    drop: tuple = (0, 0)
    photo_z: bool = False

    def possible(self, bands, photo_z_max, noisy=None):
        """Return True if a model can be tested on this case.

        Parameters
        ----------
        bands : sequence of str
            Bands of the model.
        photo_z_max : float
            Largest redshift error over 1 + z of the model's training.
        noisy : sequence of str, optional
            Bands with known noise; default: all.
        """
        here = band_set(self.bands, bands)
        if self.photo_z and not 0 < photo_z_max < np.inf:
            return False
        if noisy is not None and not np.isin(bands, list(noisy))[here].all():
            return False
        return here.sum() >= max(self.keep, 3)


CASES = {
    case.label: case
    for case in (
        Case("paper"),
        Case("paper-14", keep=14),
        Case("paper-10", keep=10),
        Case("paper-6", keep=6),
        Case("paper-drop", drop=(3, 10)),
        Case("paper-photoz", photo_z=True),
        Case("all", bands="all"),
        Case("all-drop", bands="all", drop=(3, 10)),
    )
}


@dataclass
class Observed:
    """Simulations observed as in a survey.

    Attributes
    ----------
    flux, flux_err : `~numpy.ndarray`, shape (N, B), float32
        nJy; NaN = band missing.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
        Observed redshift and its error; 0 = exact.
    snr : `~numpy.ndarray`, shape (N,)
        Mean S/N, as returned by `row_snr`.
    truth : dict of `~numpy.ndarray`, shape (N,)
    bins : `~numpy.ndarray`, shape (N, len(kinds)), bool, optional
        Bins in which each row is used; default: all bins of `kinds` that contain the row.
    kinds : sequence of tuple, optional
        The bins, of `pixsed.validate.bins`.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    redshift: np.ndarray
    redshift_err: np.ndarray
    snr: np.ndarray
    truth: dict
    bins: np.ndarray | None = None
    kinds: tuple = BINS

    def __post_init__(self):
        if self.bins is None:
            self.bins = rows_in(self.kinds, self.snr, self.redshift, self.truth)

    @property
    def nbands(self):
        """Number of bands present, shape (N,)."""
        return np.isfinite(self.flux).sum(axis=1)

    def __len__(self):
        return len(self.redshift)

    def rows(self, chosen):
        """Return the rows of a slice or of a mask (N,)."""
        arrays = (self.flux, self.flux_err, self.redshift, self.redshift_err, self.snr)
        truth = {key: values[chosen] for key, values in self.truth.items()}
        bins = self.bins[chosen]
        return Observed(*(array[chosen] for array in arrays), truth, bins, self.kinds)


def band_set(name, bands):
    """Return a mask (B,) of `bands`: "all" selects all, "paper" the 19 bands of the paper."""
    return np.array([name == "all" or band in PAPER_BANDS for band in bands])


def row_snr(flux, err, bands):
    """Return the mean S/N of each row over the reference bands that it has.

    Rows without reference bands use their three reddest bands, as in `pixsed fit`. The S/N uses
    only bands that are given to the model: a cut in a missing band would select on the truth,
    and correct posteriors would look wrong.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (N, B)
        NaN = band missing.
    bands : sequence of str
        In order of wavelength.

    Returns
    -------
    `~numpy.ndarray`, shape (N,)
        NaN without bands.
    """
    return mean_snr(np.asarray(flux, dtype=float).T, np.asarray(err).T, bands)


def blocks(path):
    """Yield the simulations of a file in blocks of `BLOCK` rows."""
    start = 0
    while len(block := read_simulations(path, slice(start, start + BLOCK))):
        yield block
        start += BLOCK


def first_block(path):
    """Return the first `BLOCK` rows of a table of simulations.

    Raises
    ------
    PixsedError
        If it has no rows.
    """
    block = next(blocks(path), None)
    if block is None:
        raise PixsedError(f"{path} is empty; simulate some with 'pixsed simulate'")
    return block


def with_t50lb(columns):
    """Return columns of simulations, with the lookback time T50LB [Gyr] if T50 is present."""
    if "T50" not in columns:
        return columns
    return columns | {"T50LB": (1.0 - columns["T50"]) * age(columns["REDSHIFT"])}


def observe_case(
    path,
    noise,
    case,
    *,
    snr_min=1.0,
    snr_max=np.inf,
    number=10_000,
    per_bin=0,
    seed=5,
    photo_z_max=0.1,
    kinds=BINS,
):
    """Observe simulations, and keep the first `number` within a range of mean S/N.

    In addition, the first `per_bin` rows in each bin of S/N and redshift are kept. Each bin
    therefore holds the first rows of the file that fall in it, without any other selection.

    Parameters
    ----------
    path : path-like
        Table of simulations, read block by block.
    noise : noise model of `pixsed.simulate.noise`
    case : `Case`
    snr_min, snr_max : float, optional
        Range of `row_snr`, from the noisy fluxes of the bands that each row keeps.
    number, per_bin, seed : int, optional
    photo_z_max : float, optional
        Largest redshift error over 1 + z, for cases with redshift errors.
    kinds : sequence of tuple, optional
        Bins of `pixsed.validate.bins`; only those of S/N and redshift are filled.

    Returns
    -------
    `Observed`

    Raises
    ------
    PixsedError
        If the range or a bin contains too few simulations.
    """
    wanted = _wanted(kinds, number, per_bin, (snr_min, snr_max))
    kept, count, seen = [], np.zeros(len(kinds), dtype=int), 0
    for index, block in enumerate(blocks(path)):
        rng = np.random.default_rng([seed, index])
        found = _observe(block, noise, case, (snr_min, snr_max, photo_z_max), kinds, rng)
        so_far = count + found.bins.cumsum(axis=0)
        first = so_far[:, :1] <= number
        count += found.bins.sum(axis=0)
        found.bins &= first | (so_far <= wanted)
        kept.append(found.rows(found.bins.any(axis=1)))
        seen += len(block)
        if np.all(count >= wanted):
            return _joined(kept)
    if count[0] < number:
        to = f" to {snr_max:g}" if np.isfinite(snr_max) else ""
        raise PixsedError(
            f"only {count[0]} of {seen} simulations have a mean S/N above {snr_min:g}{to} "
            f"({case.label}), fewer than {number}; simulate more, or give a smaller -n"
        )
    worst = int(np.argmax(wanted - count))
    raise PixsedError(
        f"only {count[worst]} of {seen} simulations are in the bin {bin_name(*kinds[worst])} "
        f"({case.label}), fewer than {per_bin}; simulate more, or give a smaller --per-bin"
    )


def _wanted(kinds, number, per_bin, snr_range):
    """Return the number of rows that each bin needs, (K,)."""
    wanted = np.zeros(len(kinds), dtype=int)
    wanted[0] = number
    for i, (by, low, high) in enumerate(kinds[1:], 1):
        possible = by == "REDSHIFT" or (low < snr_range[1] and high > snr_range[0])
        wanted[i] = per_bin if by in ("SNR", "REDSHIFT") and possible else 0
    return wanted


def _observe(block, noise, case, ranges, kinds, rng):
    """Return a block as `Observed`; `ranges`: range of S/N, and largest redshift error."""
    snr_min, snr_max, photo_z_max = ranges
    bands = block.bands
    here = band_set(case.bands, bands)
    mask = np.tile(here, (len(block), 1))
    # The noise may lack bands that are not observed.
    flux, err = (np.full(mask.shape, np.nan, dtype=np.float32) for _ in range(2))
    names = [band for band, seen in zip(bands, here, strict=True) if seen]
    flux[:, here], err[:, here] = observe(
        block.flux[:, here].astype(float), names, noise, mask[:, here], rng
    )
    count = rng.integers(case.drop[0], case.drop[1] + 1, len(block))
    if case.keep:
        count = mask.sum(axis=1) - case.keep
    mask = drop_bands(mask, count, rng)
    flux[~mask], err[~mask] = np.nan, np.nan
    z = block.columns["REDSHIFT"]
    z, z_err = draw_redshift_error(z, float(case.photo_z), photo_z_max if case.photo_z else 1, rng)
    snr = row_snr(flux, err, bands)
    chosen = (snr > snr_min) & (snr <= snr_max)
    truth = with_t50lb(block.columns)
    return Observed(flux, err, z, z_err, snr, truth, kinds=kinds).rows(chosen)


def _joined(parts):
    def join(arrays):
        return np.concatenate(list(arrays))

    return Observed(
        join(p.flux for p in parts),
        join(p.flux_err for p in parts),
        join(p.redshift for p in parts),
        join(p.redshift_err for p in parts),
        join(p.snr for p in parts),
        {key: join(p.truth[key] for p in parts) for key in parts[0].truth},
        join(p.bins for p in parts),
        parts[0].kinds,
    )

"""What a model is tested on: simulations as surveys would see them, a case each."""

from dataclasses import dataclass

import numpy as np

from pixsed.bands import PAPER_BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.observe import draw_redshift_error, drop_bands, observe
from pixsed.simulate.table import read_simulations
from pixsed.snr import mean_snr
from pixsed.validate.statistics import BINS, bin_name, bins_of_rows

#: Simulations that are observed at once, with random numbers of their own.
BLOCK = 10_000


@dataclass(frozen=True)
class Case:
    """A way to see simulations.

    Attributes
    ----------
    label : str
    bands : {"paper", "all"}
        The 19 of Iglesias-Navarro+25, or all of the model.
    keep : int
        Bands that each row keeps, at random; 0 = all.
    drop : tuple of int
        Fewest and most bands that each row loses at random.
    photo_z : bool
        Redshifts with errors, as large as the model was trained with.
    """

    label: str
    bands: str = "paper"
    keep: int = 0
    drop: tuple = (0, 0)
    photo_z: bool = False

    def possible(self, bands, photo_z_max, noisy=None):
        """Return whether a model of these bands and largest redshift error can be tested so.

        `noisy` are the bands whose noise is known; all by default.
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
    """Simulations as a survey would see them; arrays of N rows.

    Attributes
    ----------
    flux, flux_err : `~numpy.ndarray`, shape (N, B), float32
        nJy; NaN = band missing.
    redshift, redshift_err : `~numpy.ndarray`, shape (N,)
        As observed; the error 0 = exact.
    snr : `~numpy.ndarray`, shape (N,)
        As of `row_snr`.
    truth : dict of `~numpy.ndarray`, shape (N,)
    bins : `~numpy.ndarray`, shape (N, len(BINS)), bool, optional
        Which of `~pixsed.validate.statistics.BINS` each row stands for; by default all that
        it falls in.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    redshift: np.ndarray
    redshift_err: np.ndarray
    snr: np.ndarray
    truth: dict
    bins: np.ndarray | None = None

    def __post_init__(self):
        if self.bins is None:
            self.bins = bins_of_rows(self.snr, self.redshift)

    @property
    def nbands(self):
        """Bands present, shape (N,)."""
        return np.isfinite(self.flux).sum(axis=1)

    def __len__(self):
        return len(self.redshift)

    def rows(self, chosen):
        """Return some of the rows: a slice, or (N,) bool."""
        arrays = (self.flux, self.flux_err, self.redshift, self.redshift_err, self.snr)
        truth = {key: values[chosen] for key, values in self.truth.items()}
        return Observed(*(array[chosen] for array in arrays), truth, self.bins[chosen])


def band_set(name, bands):
    """Return which of `bands` a set holds, (B,) bool: "all", or "paper", those of its 19."""
    return np.array([name == "all" or band in PAPER_BANDS for band in bands])


def row_snr(flux, err, bands):
    """Return the mean S/N of each row over `SNR_BANDS`, those of them that it has.

    Where it has none, over its three reddest bands, as `pixsed fit` does. It is of nothing
    but what the model sees: a cut in a band that a row lacks would tell more of its truth
    than the model can know, and right posteriors would look wrong.

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
    """Yield the simulations of a file in blocks of `BLOCK` rows, each read when it is wanted."""
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
    """Return columns of simulations, the lookback time T50LB [Gyr] among them if T50 is."""
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
):
    """Observe simulations once, and keep the first `number` of a range of mean S/N.

    Beyond them the first `per_bin` of each bin of S/N and redshift are kept. Each bin is so
    the first rows of the file that fall in it, whatever else they are.

    Parameters
    ----------
    path : path-like
        Simulations; read a block at a time.
    noise : noise model of `pixsed.simulate.noise`
    case : `Case`
    snr_min, snr_max : float, optional
        Range of `row_snr`, of the noisy fluxes of the bands that are left.
    number, per_bin, seed : int, optional
    photo_z_max : float, optional
        Largest redshift error over 1 + z, for cases with one.

    Returns
    -------
    `Observed`

    Raises
    ------
    PixsedError
        If too few are in the range, or in a bin.
    """
    wanted = np.full(len(BINS), per_bin)
    wanted[0] = number
    wanted[[by == "SNR" and not (low < snr_max and high > snr_min) for by, low, high in BINS]] = 0
    kept, count, seen = [], np.zeros(len(BINS), dtype=int), 0
    for index, block in enumerate(blocks(path)):
        rng = np.random.default_rng([seed, index])
        found = _observe(block, noise, case, (snr_min, snr_max), photo_z_max, rng)
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
        f"only {count[worst]} of {seen} simulations are in the bin {bin_name(*BINS[worst])} "
        f"({case.label}), fewer than {per_bin}; simulate more, or give a smaller --per-bin"
    )


def _observe(block, noise, case, snr_range, photo_z_max, rng):
    bands = block.bands
    here = band_set(case.bands, bands)
    mask = np.tile(here, (len(block), 1))
    # The noise need not know bands that nobody sees.
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
    chosen = (snr > snr_range[0]) & (snr <= snr_range[1])
    return Observed(flux, err, z, z_err, snr, with_t50lb(block.columns)).rows(chosen)


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
    )

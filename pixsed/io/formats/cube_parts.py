"""Parts of a cube: the table BANDS, and the binning of its pixels."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.table import Column, Table
from astropy.utils.exceptions import AstropyWarning

from pixsed.errors import PixsedError
from pixsed.io.bandnames import filter_name, instrument_name, pivot_um
from pixsed.io.columns import numbers

MAKE_CUBE = "make it with pixsed cutout"
COLUMNS = ("band", "instrument", "pivot_um", "depth_1sigma_njy", "sky_rms_njy", "noise_corr")
_NUMBERS = COLUMNS[2:]
_UNITS = {"pivot_um": "um", "depth_1sigma_njy": "nJy", "sky_rms_njy": "nJy"}


@dataclass
class Binning:
    """Grouping of the pixels of a cube into bins.

    Attributes
    ----------
    binmap : `~numpy.ndarray`, shape (ny, nx), int32
        Number of the bin of each pixel, from 1; 0 = in no bin.
    method : str
        ``"voronoi"`` or ``"sed"``.
    snr : float
        Target S/N of a bin.
    snr_bands : tuple of str
        Bands over which that S/N is averaged.
    table : `~astropy.table.Table` or None
        One row per bin: bin, npix, snr, x, y. The last two are the mean position of the pixels of
        the bin, counted from 1 as in FITS.

    Raises
    ------
    PixsedError
        If `binmap` has a negative value.
    """

    binmap: np.ndarray
    method: str
    snr: float
    snr_bands: tuple
    table: Table | None = None

    def __post_init__(self):
        self.binmap = np.asarray(self.binmap, dtype=np.int32)
        if (self.binmap < 0).any():
            raise PixsedError(
                "binmap must have bins counted from 1, and 0 for pixels in no bin, got values "
                "below 0"
            )

    @cached_property
    def npix(self):
        """Number of pixels in the bin of each pixel, (ny, nx) int64; 0 = in no bin."""
        count = np.bincount(self.binmap.ravel())
        count[0] = 0
        return count[self.binmap]


def bands_table(
    bands, *, instruments=None, pivots=None, depths=None, sky_rms=None, noise_corr=None
):
    """Return the table BANDS of a cube, one row per band.

    Parameters
    ----------
    bands : sequence of str
        Names of the bands.
    instruments : sequence of str, optional
        Cameras; by default from the names of the bands.
    pivots : sequence of float, optional
        Pivot wavelengths in micron; by default from the names of the bands, NaN = not known.
    depths, sky_rms : sequence of float, optional
        1-sigma depth of a pixel and rms of the sky in nJy; NaN (the default) = not known.
    noise_corr : sequence of float, optional
        Noise of a sum of many pixels over that of as many independent pixels; 1 by default.

    Returns
    -------
    `~astropy.table.Table`
    """
    nan = [np.nan] * len(bands)
    columns = {
        "band": list(bands),
        "instrument": [instrument_name(b) for b in bands] if instruments is None else instruments,
        "pivot_um": [pivot_um(b) for b in bands] if pivots is None else pivots,
        "depth_1sigma_njy": nan if depths is None else depths,
        "sky_rms_njy": nan if sky_rms is None else sky_rms,
        "noise_corr": [1.0] * len(bands) if noise_corr is None else noise_corr,
    }
    table = Table()
    for name, values in columns.items():
        kind = str if name in ("band", "instrument") else float
        table[name] = np.array([kind(value) for value in values], dtype=kind)
        if name in _UNITS:
            table[name].unit = _UNITS[name]
    return table


def band_cards(cube, number):
    """Return the cards of the planes of a band, beside BUNIT: keyword -> (value, comment)."""
    band = cube.bands[number]
    cards = {
        "FILTER": (filter_name(band), "filter"),
        "INSTRUME": (str(cube.table["instrument"][number]), "instrument"),
        "PSFMATCH": (cube.psfmatch[band], "band whose PSF this one has"),
    }
    return cards | psf_fwhm_card(cube.psf_fwhm[band])


def psf_fwhm_card(fwhm):
    """Return the card PSFFWHM as a dict; empty if the FWHM is NaN."""
    return {"PSFFWHM": (fwhm, "[arcsec] FWHM of the PSF, from its area")} if fwhm > 0 else {}


def binning_cards(binning):
    """Return the cards of a primary header that describe a `Binning`."""
    return {
        "BINNED": (True, "pixels are grouped, see BINMAP"),
        "BINMETH": (binning.method, "method of binning"),
        "BINSNR": (float(binning.snr), "target S/N of a bin"),
        "BINBANDS": (",".join(binning.snr_bands), "bands of its S/N, else 3 reddest with data"),
    }


def read_binning(hdulist, path):
    """Return the `Binning` of an open cube, or None if its pixels are not binned."""
    names = {hdu.name for hdu in hdulist}
    primary = hdulist[0].header
    if "BINMAP" not in names:
        if primary.get("BINNED"):
            raise PixsedError(
                f"{path} is a binned cube without its extension BINMAP; make it with pixsed bin"
            )
        return None
    return Binning(
        binmap=hdulist["BINMAP"].data,
        method=str(primary.get("BINMETH", "unknown")),
        snr=header_number(primary, "BINSNR", path) if "BINSNR" in primary else np.nan,
        snr_bands=tuple(b for b in str(primary.get("BINBANDS", "")).split(",") if b),
        table=read_cube_table(hdulist, "BINS", path) if "BINS" in names else None,
    )


def read_cube_table(hdulist, name, path):
    """Return a table of an open cube, without its metadata."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            table = Table.read(hdulist[name], mask_invalid=False)
        table.meta.clear()
        if name == "BANDS":
            table["band"] = [str(band).strip() for band in table["band"]]
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise PixsedError(
            f"{path}: its table {name} cannot be read ({error}); {MAKE_CUBE}"
        ) from error
    if name == "BANDS":
        for column in set(_NUMBERS) & set(table.colnames):
            table[column] = Column(
                numbers(table[column], column, "", f"{path}[BANDS]"), unit=table[column].unit
            )
    return table


def table_hdu(table, name):
    """Return a table as an HDU with a name."""
    hdu = fits.table_to_hdu(table)
    hdu.name = name
    return hdu


def header_number(header, key, path):
    """Return the number that a card holds, as a float; `PixsedError` if it holds none."""
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PixsedError(f"{path} has no number {key} in its PRIMARY header; {MAKE_CUBE}")
    return float(value)


def redshift_in(primary, path):
    """Return the redshift of a primary header; NaN if its card has no value."""
    if "REDSHIFT" in primary and primary["REDSHIFT"] is None:
        return np.nan
    return header_number(primary, "REDSHIFT", path)


def check_plane(hdu, path):
    """Return the shape of the plane of a band; raise `PixsedError` if it is not in nJy."""
    if not hdu.is_image or len(hdu.shape) != 2:
        raise PixsedError(f"{path}[{hdu.name}] is not a 2-D image; {MAKE_CUBE}")
    unit = str(hdu.header.get("BUNIT", "")).strip()
    if unit != "nJy":
        raise PixsedError(
            f"{path}[{hdu.name}]: BUNIT must be nJy in a cube, got {unit!r}; {MAKE_CUBE}"
        )
    return hdu.shape

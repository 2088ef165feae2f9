"""The cube: one galaxy in every band, on one pixel grid, as a FITS file."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import write_hdulist
from pixsed.io.bandnames import check_band_name, filter_name, instrument_name, pivot_um
from pixsed.io.cards import safe_cards
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp
from pixsed.io.rows import to_float32

_MAKE = "make it with pixsed cutout"
_COLUMNS = ("band", "instrument", "pivot_um", "depth_1sigma_njy", "sky_rms_njy", "noise_corr")
_UNITS = {"pivot_um": "um", "depth_1sigma_njy": "nJy", "sky_rms_njy": "nJy"}


@dataclass
class Binning:
    """How the pixels of a cube are grouped into bins.

    Attributes
    ----------
    binmap : `~numpy.ndarray`
        (ny, nx) int32: a pixel's bin, from 1; 0 = in none.
    method : str
        ``"voronoi"`` or ``"sed"``.
    snr : float
        The target S/N of a bin.
    snr_bands : tuple of str
        The bands whose mean S/N it is.
    table : `~astropy.table.Table` or None
        One row per bin: bin, npix, snr, x, y; `x` and `y` the mean place of its pixels,
        counted from 1 as FITS does.
    """

    binmap: np.ndarray
    method: str
    snr: float
    snr_bands: tuple
    table: Table | None = None

    def __post_init__(self):
        self.binmap = np.asarray(self.binmap, dtype=np.int32)
        if (self.binmap < 0).any():
            raise PixsedError("binmap must hold bins from 1, and 0 for none, got less than 0")

    @cached_property
    def npix(self):
        """(ny, nx) int64: the number of pixels of a pixel's bin, 0 in none."""
        count = np.bincount(self.binmap.ravel())
        count[0] = 0
        return count[self.binmap]


@dataclass
class Cube:
    """One galaxy in B bands on one grid of (ny, nx) pixels.

    However it is made, its bands end up in ascending pivot wavelength (unknown ones
    last), with `flux`, `err` and `table` in the same order.

    Attributes
    ----------
    bands : list of str
        B names, unique.
    flux : `~numpy.ndarray`
        (B, ny, nx) float32, nJy a pixel; NaN = no data.
    err : `~numpy.ndarray`
        (B, ny, nx) float32, 1-sigma errors in nJy; NaN where `flux` is.
    header : `~astropy.io.fits.Header`
        The cards of the celestial WCS.
    redshift : float
    object_id : str
    redshift_err : float
        1-sigma error of the redshift; 0 = known.
    segmap : `~numpy.ndarray` or None
        (ny, nx) int32: the galaxy's id, its neighbours' ids, 0 = sky.
    pixar_a2 : float, optional
        Area of a pixel, arcsec^2; by default from the WCS.
    table : `~astropy.table.Table`, optional
        One row per band: band, instrument, pivot_um, depth_1sigma_njy, sky_rms_njy,
        noise_corr. By default without depths (NaN), noise_corr 1.
    psfmatch : dict, optional
        Band -> what its PSF was matched to: a band, ``"none"`` or ``"unknown"``.
    binning : `Binning`, optional
        Of a cube whose pixels are binned: `flux` and `err` are then those of the whole
        bin over its number of pixels, and noise_corr of `table` is of a sum of bins.

    Raises
    ------
    PixsedError
        If the arrays' shapes do not agree or a band comes twice.
    """

    bands: list
    flux: np.ndarray
    err: np.ndarray
    header: fits.Header
    redshift: float
    object_id: str = ""
    redshift_err: float = 0.0
    segmap: np.ndarray | None = None
    pixar_a2: float | None = None
    table: Table | None = None
    psfmatch: dict = field(default_factory=dict)
    binning: Binning | None = None

    def __post_init__(self):
        self.bands = [check_band_name(band, "band") for band in self.bands]
        self.flux = to_float32(self.flux)
        self.err = to_float32(self.err)
        if self.segmap is not None:
            self.segmap = cube_segmap(self.segmap)
        if self.table is None:
            self.table = bands_table(self.bands)
        self._check()
        if self.pixar_a2 is None:
            self.pixar_a2 = pixel_area_arcsec2(celestial_wcs(self.header, "cube"))
        self.psfmatch = {band: self.psfmatch.get(band, "unknown") for band in self.bands}
        pivot = np.asarray(self.table["pivot_um"], dtype=float)
        order = np.argsort(pivot, kind="stable")  # NaN sorts last
        if not np.array_equal(order, np.arange(len(order))):
            self.bands = [self.bands[i] for i in order]
            self.flux, self.err = self.flux[order], self.err[order]
            self.table = self.table[order]

    def _check(self):
        if not self.bands:
            raise PixsedError("a cube must have at least one band, got none")
        twice = sorted({band for band in self.bands if self.bands.count(band) > 1})
        if twice:
            raise PixsedError(f"band {', '.join(twice)} comes twice; a cube has each band once")
        if self.flux.ndim != 3 or len(self.flux) != len(self.bands):
            raise PixsedError(
                f"flux must be of shape ({len(self.bands)}, ny, nx), got {self.flux.shape}"
            )
        if self.err.shape != self.flux.shape:
            raise PixsedError(f"err must be of shape {self.flux.shape}, got {self.err.shape}")
        if self.segmap is not None and self.segmap.shape != self.flux.shape[1:]:
            raise PixsedError(
                f"segmap must be of shape {self.flux.shape[1:]}, got {self.segmap.shape}"
            )
        if self.binning is not None and self.binning.binmap.shape != self.flux.shape[1:]:
            raise PixsedError(
                f"binmap must be of shape {self.flux.shape[1:]}, got {self.binning.binmap.shape}"
            )
        missing = [name for name in _COLUMNS if name not in self.table.colnames]
        if missing:
            raise PixsedError(f"table must have the columns {', '.join(missing)}")
        if [str(band) for band in self.table["band"]] != self.bands:
            raise PixsedError("table must have a row a band, in the order of bands")
        if not (np.isfinite(self.redshift) and self.redshift >= 0):
            raise PixsedError(f"redshift must be 0 or more, got {self.redshift}")
        if not (np.isfinite(self.redshift_err) and self.redshift_err >= 0):
            raise PixsedError(f"redshift_err must be 0 or more, got {self.redshift_err}")

    @property
    def shape(self):
        """(ny, nx)."""
        return self.flux.shape[1:]

    def segment(self, name="cube"):
        """Return the (ny, nx) bool mask of the object's segment.

        All pixels where there is no segmentation map, or, with a warning that names the
        file `name`, where it does not hold the object.
        """
        everything = np.ones(self.shape, dtype=bool)
        if self.segmap is None:
            return everything
        try:
            inside = self.segmap == int(self.object_id)
        except (ValueError, OverflowError):
            inside = ~everything
        if not inside.any():
            warnings.warn(
                f"{name}: its SEGMAP does not hold OBJECT {self.object_id!r}; every pixel counts",
                PixsedWarning,
                stacklevel=3,
            )
            return everything
        return inside


def cube_segmap(segmap, name="segmap"):
    """Return a segmentation map as the int32 that cubes hold.

    Raises
    ------
    PixsedError
        If an id is beyond its range; the message begins with `name`.
    """
    segmap = np.asarray(segmap)
    limits = np.iinfo(np.int32)
    if segmap.size:
        for worst in (segmap.max(), segmap.min()):
            if not limits.min <= worst <= limits.max:
                shown = worst if segmap.dtype.kind in "iu" else f"{worst:.0f}"
                raise PixsedError(
                    f"{name}: id {shown} is too large for a cube, whose SEGMAP (int32) holds "
                    f"ids up to {limits.max}; number the segments anew, from 1"
                )
    return segmap.astype(np.int32)


def bands_table(
    bands, *, instruments=None, pivots=None, depths=None, sky_rms=None, noise_corr=None
):
    """Return the table BANDS of a cube.

    Parameters
    ----------
    bands : sequence of str
    instruments, pivots, depths, sky_rms, noise_corr : sequence, optional
        One per band: camera, pivot in micron, 1-sigma depth a pixel and sky rms in nJy
        (NaN = not known), factor by which the noise of a sum of many pixels exceeds
        that of independent ones.

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


def write_cube(cube, path, overwrite=False, inputs=(), history=()):
    """Write a `Cube` as FITS.

    Parameters
    ----------
    cube : `Cube`
    path : str or path-like
        ``"-"`` is standard output.
    overwrite : bool, optional
        Whether a file that is there may be replaced.
    inputs, history : sequence of str, optional
        Files read and steps done, for the provenance (`pixsed.io.provenance.stamp`).

    Raises
    ------
    PixsedError
        If the file is there already, or its folder is not.
    """
    primary = fits.PrimaryHDU()
    primary.header.update(
        safe_cards(
            {
                "OBJECT": (str(cube.object_id), "galaxy"),
                "REDSHIFT": (float(cube.redshift), "redshift"),
                "ZERR": (float(cube.redshift_err), "1-sigma error of the redshift, 0 = known"),
                "PIXAR_A2": (float(cube.pixar_a2), "[arcsec2] area of a pixel, from the WCS"),
            }
        )
    )
    if cube.binning is not None:
        primary.header.update(binning_cards(cube.binning))
    stamp(primary.header, inputs=inputs, history=history)
    hdus = [primary]
    for i, band in enumerate(cube.bands):
        header = cube.header.copy()
        header.update(
            safe_cards(
                {
                    "BUNIT": ("nJy", "flux density a pixel"),
                    "FILTER": (filter_name(band), "filter"),
                    "INSTRUME": (str(cube.table["instrument"][i]), "instrument"),
                    "PSFMATCH": (cube.psfmatch[band], "band whose PSF this one has"),
                }
            )
        )
        hdus.append(fits.ImageHDU(cube.flux[i], header, name=band))
        header = header.copy()
        header["BUNIT"] = ("nJy", "1-sigma error of the flux density a pixel")
        hdus.append(fits.ImageHDU(cube.err[i], header, name=f"{band}_ERR"))
    if cube.segmap is not None:
        hdus.append(fits.ImageHDU(cube.segmap, cube.header.copy(), name="SEGMAP"))
    if cube.binning is not None:
        hdus.append(fits.ImageHDU(cube.binning.binmap, cube.header.copy(), name="BINMAP"))
        if cube.binning.table is not None:
            hdus.append(_table_hdu(cube.binning.table, "BINS"))
    hdus.append(_table_hdu(cube.table[list(_COLUMNS)], "BANDS"))
    write_hdulist(fits.HDUList(hdus), path, overwrite)


def binning_cards(binning):
    """Return the cards of a primary header that say how pixels are binned."""
    return {
        "BINNED": (True, "pixels are grouped, see BINMAP"),
        "BINMETH": (binning.method, "method of binning"),
        "BINSNR": (float(binning.snr), "target S/N of a bin"),
        "BINBANDS": (",".join(binning.snr_bands), "bands of its S/N, else 3 reddest with data"),
    }


def _table_hdu(table, name):
    hdu = fits.table_to_hdu(table)
    hdu.name = name
    return hdu


def read_cube(path):
    """Read a cube that `write_cube` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    `Cube`

    Raises
    ------
    PixsedError
        If the file cannot be read, or is not a cube, or lacks a part of one.
    """
    path = str(path)
    with open_fits(path) as hdulist:
        arguments, planes = read_description(hdulist, path)
        flux, err = (
            np.stack([to_float32(hdulist[name].data) for name in names]) for names in planes
        )
        segmap = None
        if "SEGMAP" in {hdu.name for hdu in hdulist}:
            segmap = hdulist["SEGMAP"].data
        try:
            return Cube(
                flux=flux, err=err, segmap=segmap, binning=read_binning(hdulist, path), **arguments
            )
        except PixsedError as error:
            raise PixsedError(f"{path}: {error}; {_MAKE}") from error


def read_description(hdulist, path):
    """Return what the headers and the table of a cube say, without its pixels.

    Returns
    -------
    arguments : dict
        Of `Cube`: bands, header, redshift, object_id, redshift_err, pixar_a2, table, psfmatch.
    planes : tuple of list of str
        Names of the extensions of flux, and of those of errors, of each band.

    Raises
    ------
    PixsedError
        As `read_cube`.
    """
    names = {hdu.name for hdu in hdulist}
    if "BANDS" not in names:
        raise PixsedError(f"{path} is not a pixsed cube: it has no table BANDS; {_MAKE}")
    table = _read_table(hdulist, "BANDS", path)
    bands = list(table["band"])
    planes = bands, [f"{band}_ERR" for band in bands]
    missing = [name for pair in zip(*planes, strict=True) for name in pair if name not in names]
    if missing:
        raise PixsedError(
            f"{path}: extension {', '.join(missing)} of its table BANDS is missing; {_MAKE}"
        )
    primary = hdulist[0].header
    shapes = {_check_plane(hdulist[name], path) for part in planes for name in part}
    if len(shapes) > 1:
        raise PixsedError(f"{path}: its bands have different shapes, {sorted(shapes)}; {_MAKE}")
    arguments = dict(
        redshift=_number(primary, "REDSHIFT", path),
        redshift_err=_number(primary, "ZERR", path) if "ZERR" in primary else 0.0,
        bands=bands,
        header=celestial_header(hdulist[bands[0]].header, path) if bands else fits.Header(),
        object_id=str(primary.get("OBJECT", "")),
        pixar_a2=_number(primary, "PIXAR_A2", path) if "PIXAR_A2" in primary else None,
        table=table,
        psfmatch={b: str(hdulist[b].header.get("PSFMATCH", "unknown")) for b in bands},
    )
    if bands:
        celestial_wcs(arguments["header"], path)
    return arguments, planes


def _read_table(hdulist, name, path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            table = Table.read(hdulist[name], mask_invalid=False)
        table.meta.clear()
        if name == "BANDS":
            table["band"] = [str(band).strip() for band in table["band"]]
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise PixsedError(f"{path}: its table {name} cannot be read ({error}); {_MAKE}") from error
    return table


def read_binning(hdulist, path):
    """Return the `Binning` of an open cube, None where its pixels are not binned."""
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
        snr=_number(primary, "BINSNR", path) if "BINSNR" in primary else np.nan,
        snr_bands=tuple(b for b in str(primary.get("BINBANDS", "")).split(",") if b),
        table=_read_table(hdulist, "BINS", path) if "BINS" in names else None,
    )


def _number(header, key, path):
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PixsedError(f"{path} has no number {key} in its PRIMARY header; {_MAKE}")
    return float(value)


def _check_plane(hdu, path):
    """Return the shape of a band's plane; the unit must be nJy."""
    if not hdu.is_image or len(hdu.shape) != 2:
        raise PixsedError(f"{path}[{hdu.name}] is not a 2-D image; {_MAKE}")
    unit = str(hdu.header.get("BUNIT", "")).strip()
    if unit != "nJy":
        raise PixsedError(f"{path}[{hdu.name}]: BUNIT must be nJy in a cube, got {unit!r}; {_MAKE}")
    return hdu.shape

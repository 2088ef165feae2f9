"""The cube: one galaxy in several bands on one pixel grid, as a FITS file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import write_hdulist
from pixsed.io.bandnames import check_band_name
from pixsed.io.cards import positive_number, safe_cards
from pixsed.io.formats.cube_noise import (
    autocorrelation_hdu,
    checked_autocorrelation,
    read_autocorrelation,
)
from pixsed.io.formats.cube_parts import (
    COLUMNS,
    MAKE_CUBE,
    Binning,
    band_cards,
    bands_table,
    binning_cards,
    check_plane,
    header_number,
    psf_fwhm_card,
    read_binning,
    read_cube_table,
    redshift_in,
    table_hdu,
)
from pixsed.io.formats.psfmatch import common_psf
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp
from pixsed.io.rows import to_float32


@dataclass
class Cube:
    """Fluxes and errors of one galaxy in B bands, on one grid of (ny, nx) pixels.

    The bands are sorted by ascending pivot wavelength (unknown ones last), and `flux`, `err` and
    `table` with them.

    Parameters
    ----------
    bands : list of str
        Names of the B bands, each once.
    flux : `~numpy.ndarray` or `~astropy.units.Quantity`, shape (B, ny, nx)
        Flux density of each pixel, in nJy if it is an array. NaN = no data.
    err : `~numpy.ndarray` or `~astropy.units.Quantity`, shape (B, ny, nx)
        1-sigma errors, in nJy if an array. NaN = no data.
    header : `~astropy.io.fits.Header` or `~astropy.wcs.WCS`
        Celestial WCS, or the header that has it.
    redshift : float
        Redshift of the galaxy, 0 or more; NaN = unknown, for models that infer it.
    object_id : str
        Id of the galaxy; an integer if there is a segmentation map.
    redshift_err : float
        1-sigma error of the redshift; 0 = exact.
    segmap : `~numpy.ndarray` of int, shape (ny, nx), optional
        Segmentation map: id of the galaxy, ids of its neighbours, 0 = sky.
    pixar_a2 : float, optional
        Area of a pixel in arcsec^2; by default from the WCS.
    table : `~astropy.table.Table`, optional
        One row per band: band, instrument, pivot_um, depth_1sigma_njy, sky_rms_njy, noise_corr.
        By default that of `bands_table`.
    psfmatch : dict, optional
        Band -> band whose PSF it was convolved to, ``"none"`` or ``"unknown"`` (the default).
    psf_fwhm : dict, optional
        Band -> FWHM of its PSF in arcsec; NaN (the default) = unknown.
    binning : `Binning`, optional
        Bins of the pixels. `flux` and `err` are then those of the bin divided by its number of
        pixels, and noise_corr of `table` is for a sum of bins.
    autocorrelation : `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1), optional
        Correlation of the noise of two pixels by lag in y and x, 1 in the middle; NaN in a band
        where it is not measured. The pixels are those before binning.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ny, nx), float32
        Flux density and 1-sigma error of each pixel in nJy; NaN = no data. `flux_quantity` and
        `err_quantity` have the unit.
    header : `~astropy.io.fits.Header`
        Cards of the celestial WCS.
    segmap : `~numpy.ndarray`, shape (ny, nx), int32, or None

    Raises
    ------
    PixsedError
        If the shapes of the arrays do not agree, a band comes twice, or the redshift is negative or
        infinite.

    Examples
    --------
    >>> cube = Cube(["F277W", "F444W"], flux, err, wcs, redshift=2.0)  # doctest: +SKIP
    """

    bands: list[str]
    flux: np.ndarray
    err: np.ndarray
    header: fits.Header
    redshift: float
    object_id: str = ""
    redshift_err: float = 0.0
    segmap: np.ndarray | None = None
    # None is replaced when the cube is made.
    pixar_a2: float = None  # type: ignore[assignment]
    table: Table = None  # type: ignore[assignment]
    psfmatch: dict = field(default_factory=dict)
    binning: Binning | None = None
    psf_fwhm: dict = field(default_factory=dict)
    autocorrelation: np.ndarray | None = None

    def __post_init__(self):
        self.bands = [check_band_name(band, "band") for band in self.bands]
        self.flux, self.err = (to_float32(_njy(values)) for values in (self.flux, self.err))
        if isinstance(self.header, WCS):
            self.header = self.header.to_header()
        if self.segmap is not None:
            self.segmap = cube_segmap(self.segmap)
        if self.table is None:
            self.table = bands_table(self.bands)
        if self.autocorrelation is not None:
            self.autocorrelation = checked_autocorrelation(self.autocorrelation, len(self.bands))
        self._check()
        if self.pixar_a2 is None:
            self.pixar_a2 = pixel_area_arcsec2(self.wcs)
        self.psfmatch = {band: self.psfmatch.get(band, "unknown") for band in self.bands}
        self.psf_fwhm = {b: positive_number(self.psf_fwhm.get(b)) for b in self.bands}
        pivot = np.asarray(self.table["pivot_um"], dtype=float)
        order = np.argsort(pivot, kind="stable")  # NaN sorts last
        if not np.array_equal(order, np.arange(len(order))):
            self.bands = [self.bands[i] for i in order]
            self.flux, self.err = self.flux[order], self.err[order]
            self.table = self.table[order]
            if self.autocorrelation is not None:
                self.autocorrelation = self.autocorrelation[order]

    def _check(self):
        if not self.bands:
            raise PixsedError("a cube must have at least one band, got none")
        twice = sorted({band for band in self.bands if self.bands.count(band) > 1})
        if twice:
            raise PixsedError(
                f"bands must be unique, got {', '.join(twice)} twice; a cube has each band once"
            )
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
        missing = [name for name in COLUMNS if name not in self.table.colnames]
        if missing:
            raise PixsedError(f"table must have the columns {', '.join(missing)}")
        if [str(band) for band in self.table["band"]] != self.bands:
            raise PixsedError("table must have one row per band, in the order of bands")
        if self.redshift < 0 or np.isinf(self.redshift):
            raise PixsedError(f"redshift must be 0 or more, or NaN, got {self.redshift}")
        if not (np.isfinite(self.redshift_err) and self.redshift_err >= 0):
            raise PixsedError(f"redshift_err must be 0 or more, got {self.redshift_err}")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx) of each plane."""
        return self.flux.shape[1:]

    @property
    def wcs(self) -> WCS:
        """Celestial WCS of the pixels."""
        return celestial_wcs(self.header, "cube")

    @property
    def flux_quantity(self) -> u.Quantity:
        """Flux density of each pixel, (B, ny, nx), in nJy: a view of `flux`."""
        return u.Quantity(self.flux, u.nJy, copy=False)

    @property
    def err_quantity(self) -> u.Quantity:
        """1-sigma errors, (B, ny, nx), in nJy: a view of `err`."""
        return u.Quantity(self.err, u.nJy, copy=False)

    def segment(self, name: str = "cube") -> np.ndarray:
        """Return the mask of the galaxy's segment, (ny, nx) bool.

        Every pixel is in the segment if there is no segmentation map, or, with a warning that names
        the file `name`, if the map does not have the galaxy's id.
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


def _njy(values):
    """Return values as an array in nJy; a `~astropy.units.Quantity` is converted."""
    return values.to_value(u.nJy) if isinstance(values, u.Quantity) else values


def cube_segmap(segmap: np.ndarray, name: str = "segmap") -> np.ndarray:
    """Return a segmentation map as int32, the type of SEGMAP in a cube.

    Raises
    ------
    PixsedError
        If an id does not fit; the message begins with `name`.
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


def write_cube(
    cube: Cube,
    path: str | PathLike,
    overwrite: bool = False,
    inputs: Sequence = (),
    history: Sequence[str] = (),
) -> None:
    """Write a `Cube` as a FITS file.

    Parameters
    ----------
    cube : `Cube`
    path : str or path-like
        Output; ``"-"`` is standard output.
    overwrite : bool, optional
        Replace the file if it exists.
    inputs, history : sequence of str, optional
        Files read and steps done, for the provenance (see `pixsed.io.provenance.stamp`).

    Raises
    ------
    PixsedError
        If the file exists and `overwrite` is false, or its folder does not exist.
    """
    primary = fits.PrimaryHDU()
    primary.header.update(
        safe_cards(
            {
                "OBJECT": (str(cube.object_id), "galaxy"),
                "REDSHIFT": (float(cube.redshift), "redshift, no value = unknown"),
                "ZERR": (float(cube.redshift_err), "1-sigma error of the redshift, 0 = known"),
                "PIXAR_A2": (float(cube.pixar_a2), "[arcsec2] area of a pixel, from the WCS"),
                **psf_fwhm_card(common_psf(cube.psfmatch, cube.psf_fwhm)[1]),
            }
        )
    )
    if cube.binning is not None:
        primary.header.update(binning_cards(cube.binning))
    stamp(primary.header, inputs=inputs, history=history)
    hdus = [primary]
    for i, band in enumerate(cube.bands):
        header = cube.header.copy()
        header["BUNIT"] = ("nJy", "flux density a pixel")
        header.update(safe_cards(band_cards(cube, i)))
        hdus.append(fits.ImageHDU(cube.flux[i], header, name=band))
        header = header.copy()
        header["BUNIT"] = ("nJy", "1-sigma error of the flux density a pixel")
        hdus.append(fits.ImageHDU(cube.err[i], header, name=f"{band}_ERR"))
    if cube.segmap is not None:
        hdus.append(fits.ImageHDU(cube.segmap, cube.header.copy(), name="SEGMAP"))
    if cube.binning is not None:
        hdus.append(fits.ImageHDU(cube.binning.binmap, cube.header.copy(), name="BINMAP"))
        if cube.binning.table is not None:
            hdus.append(table_hdu(cube.binning.table, "BINS"))
    if cube.autocorrelation is not None:
        hdus.append(autocorrelation_hdu(cube.autocorrelation))
    hdus.append(table_hdu(cube.table[list(COLUMNS)], "BANDS"))
    write_hdulist(fits.HDUList(hdus), path, overwrite)


def read_cube(path: str | PathLike) -> Cube:
    """Read a cube that ``pixsed cutout``, ``pixsed bin`` or `write_cube` wrote.

    Parameters
    ----------
    path : str or path-like
        FITS file, gzipped or not.

    Returns
    -------
    `Cube`
        With all pixels in memory; fluxes and errors are float32, in nJy, with NaN for no data.

    Raises
    ------
    PixsedError
        If the file cannot be read, is not a cube, or lacks a part of one.

    Examples
    --------
    >>> cube = read_cube("531.fits")  # doctest: +SKIP
    >>> cube.flux_quantity[cube.bands.index("F444W")].to("uJy")  # doctest: +SKIP
    >>> cube.wcs.pixel_to_world(0, 0)  # doctest: +SKIP
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
                flux=flux,
                err=err,
                segmap=segmap,
                binning=read_binning(hdulist, path),
                autocorrelation=read_autocorrelation(hdulist),
                **arguments,
            )
        except PixsedError as error:
            raise PixsedError(f"{path}: {error}; {MAKE_CUBE}") from error


def read_description(hdulist, path):
    """Return the content of a cube's headers and tables, without its pixels.

    Returns
    -------
    arguments : dict
        Arguments of `Cube`: bands, header, redshift, object_id, redshift_err, pixar_a2, table,
        psfmatch and psf_fwhm.
    planes : tuple of list of str
        Names of the extensions of fluxes, and of those of errors, one per band.

    Raises
    ------
    PixsedError
        As for `read_cube`.
    """
    names = {hdu.name for hdu in hdulist}
    if "BANDS" not in names:
        raise PixsedError(f"{path} is not a pixsed cube: it has no table BANDS; {MAKE_CUBE}")
    table = read_cube_table(hdulist, "BANDS", path)
    bands = list(table["band"])
    planes = bands, [f"{band}_ERR" for band in bands]
    missing = [name for pair in zip(*planes, strict=True) for name in pair if name not in names]
    if missing:
        raise PixsedError(
            f"{path}: extension {', '.join(missing)} of its table BANDS is missing; {MAKE_CUBE}"
        )
    primary = hdulist[0].header
    shapes = {check_plane(hdulist[name], path) for part in planes for name in part}
    if len(shapes) > 1:
        raise PixsedError(f"{path}: its bands have different shapes, {sorted(shapes)}; {MAKE_CUBE}")
    arguments = dict(
        redshift=redshift_in(primary, path),
        redshift_err=header_number(primary, "ZERR", path) if "ZERR" in primary else 0.0,
        bands=bands,
        header=celestial_header(hdulist[bands[0]].header, path) if bands else fits.Header(),
        object_id=str(primary.get("OBJECT", "")),
        pixar_a2=header_number(primary, "PIXAR_A2", path) if "PIXAR_A2" in primary else None,
        table=table,
        psfmatch={b: str(hdulist[b].header.get("PSFMATCH", "unknown")) for b in bands},
        psf_fwhm={b: hdulist[b].header.get("PSFFWHM") for b in bands},
    )
    if bands:
        celestial_wcs(arguments["header"], path)
    return arguments, planes

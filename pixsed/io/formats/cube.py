"""The cube: one galaxy in every band, on one pixel grid, as a FITS file."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.atomic import write_hdulist
from pixsed.io.bandnames import check_band_name, filter_name
from pixsed.io.cards import safe_cards
from pixsed.io.formats.cube_parts import (
    COLUMNS,
    MAKE_CUBE,
    Binning,
    bands_table,
    binning_cards,
    header_number,
    read_binning,
    read_cube_table,
    table_hdu,
)
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp
from pixsed.io.rows import to_float32


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
        missing = [name for name in COLUMNS if name not in self.table.colnames]
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
            hdus.append(table_hdu(cube.binning.table, "BINS"))
    hdus.append(table_hdu(cube.table[list(COLUMNS)], "BANDS"))
    write_hdulist(fits.HDUList(hdus), path, overwrite)


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
            raise PixsedError(f"{path}: {error}; {MAKE_CUBE}") from error


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
    shapes = {_check_plane(hdulist[name], path) for part in planes for name in part}
    if len(shapes) > 1:
        raise PixsedError(f"{path}: its bands have different shapes, {sorted(shapes)}; {MAKE_CUBE}")
    arguments = dict(
        redshift=header_number(primary, "REDSHIFT", path),
        redshift_err=header_number(primary, "ZERR", path) if "ZERR" in primary else 0.0,
        bands=bands,
        header=celestial_header(hdulist[bands[0]].header, path) if bands else fits.Header(),
        object_id=str(primary.get("OBJECT", "")),
        pixar_a2=header_number(primary, "PIXAR_A2", path) if "PIXAR_A2" in primary else None,
        table=table,
        psfmatch={b: str(hdulist[b].header.get("PSFMATCH", "unknown")) for b in bands},
    )
    if bands:
        celestial_wcs(arguments["header"], path)
    return arguments, planes


def _check_plane(hdu, path):
    """Return the shape of a band's plane; the unit must be nJy."""
    if not hdu.is_image or len(hdu.shape) != 2:
        raise PixsedError(f"{path}[{hdu.name}] is not a 2-D image; {MAKE_CUBE}")
    unit = str(hdu.header.get("BUNIT", "")).strip()
    if unit != "nJy":
        raise PixsedError(
            f"{path}[{hdu.name}]: BUNIT must be nJy in a cube, got {unit!r}; {MAKE_CUBE}"
        )
    return hdu.shape

"""Maps to draw: planes of a Maps file, and planes derived from them, cropped to the galaxy."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from pixsed.cosmology import kpc_per_arcsec
from pixsed.errors import PixsedError

#: Properties that are drawn by default.
DEFAULT = ("LOGSIGMA", "LOGSFR", "AGE", "METAL", "AV")
#: Planes of quality, which have no standard deviation.
QUALITY = ("SNR", "NBANDS", "OOD", "CHI2")
#: Planes that are computed from others -> properties that they need.
DERIVED = {"LOGSSFR": ("LOGSFR", "LOGMSTAR"), "LOGSIGMA_SFR": ("LOGSFR",)}
_UNITS = {"LOGSSFR": "dex(yr-1)", "LOGSIGMA_SFR": "dex(solMass yr-1 kpc-2)"}


@dataclass
class Panels:
    """Maps to draw.

    Attributes
    ----------
    properties : list of str
    median : list of `~numpy.ndarray`, shape (ny, nx), float32
        One plane per property, cropped to the fitted pixels; NaN where not fitted.
    std : list of `~numpy.ndarray` or None
        Standard deviations, in the same way; None for planes that have none.
    units : list of str
        Units of the properties.
    object_id : str
    redshift : float
        NaN if the file has none.
    pixel : float
        Side of a pixel in arcsec.
    fitted : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels that are fitted.
    wcs : `~astropy.wcs.WCS`
        Of the cropped planes.
    window : tuple of slice
        Rows and columns of the file that are kept.
    shape : tuple of int
        Shape (ny, nx) of the planes of the file.
    name : str
        File, for messages.
    psf_fwhm : float
        FWHM of the PSF in arcsec, from PSFFWHM; NaN if the file does not tell it.
    """

    properties: list
    median: list
    std: list
    units: list
    object_id: str
    redshift: float
    pixel: float
    fitted: np.ndarray
    wcs: WCS
    window: tuple
    shape: tuple
    name: str
    psf_fwhm: float = np.nan


def read_panels(path, properties=None, *, margin=2):
    """Return the `Panels` of a Maps file, cropped to the fitted pixels.

    Parameters
    ----------
    path : str
    properties : sequence of str, optional
        Names as in the extensions of the file, of `QUALITY` or of `DERIVED`. By default, all of
        `DEFAULT` that the file has.

        LOGSSFR is the difference of the medians of LOGSFR and LOGMSTAR, not the median of the
        difference, and has no standard deviation. LOGSIGMA_SFR is LOGSFR minus log10 of the area
        of a pixel in kpc^2, with the standard deviation of LOGSFR.
    margin : int, optional
        Number of pixels kept around the fitted ones.

    Returns
    -------
    `Panels`

    Raises
    ------
    PixsedError
        If the file has no maps, lacks a property, or has no fitted pixel; or if an area in kpc^2
        is needed and the redshift is not known.
    """
    from pixsed.io.cards import positive_number
    from pixsed.io.formats.maps import maps_of_hdulist, property_names
    from pixsed.io.headers import pixel_area_arcsec2
    from pixsed.io.locate import open_fits

    path = str(path)
    with open_fits(path) as hdulist:
        names = property_names(hdulist, path)
        there = {hdu.name for hdu in hdulist}
        wanted = _chosen(names, there, properties, path)
        maps = maps_of_hdulist(hdulist, path, _extensions(wanted, names, there))
    pixel_area = float(pixel_area_arcsec2(maps.wcs))
    redshift = maps.primary.get("REDSHIFT", np.nan)
    redshift = float(redshift) if isinstance(redshift, int | float) else np.nan
    fitted = np.any(
        [np.isfinite(plane) for name, plane in maps.planes.items() if name.endswith("_P50")], axis=0
    )
    if not fitted.any():
        raise PixsedError(f"{path}: no pixel was fitted; try pixsed fit with a lower --snr-min")
    window = _window(fitted, margin)
    area = maps.primary.get("PIXAR_A2", pixel_area)
    planes = [_planes(name, maps.planes, area, redshift, path) for name in wanted]
    for number, (name, (median, std)) in enumerate(zip(wanted, planes, strict=True)):
        if name in QUALITY:
            planes[number] = np.where(fitted, median, np.nan), std
    return Panels(
        properties=wanted,
        median=[median[window] for median, _ in planes],
        std=[None if std is None else std[window] for _, std in planes],
        units=[_UNITS.get(name, maps.units.get(name, "")) for name in wanted],
        object_id=str(maps.primary.get("OBJECT", "")),
        redshift=redshift,
        pixel=float(np.sqrt(pixel_area)),
        fitted=fitted[window],
        wcs=maps.wcs[window],
        window=window,
        shape=fitted.shape,
        name=path,
        psf_fwhm=positive_number(maps.primary.get("PSFFWHM")),
    )


def default_properties(names):
    """Return the properties that are drawn by default, of those of a file."""
    return [name for name in DEFAULT if name in names] or names[:5]


def _chosen(names, there, properties, path):
    """Return the planes to draw, out of the properties and the extensions of a file."""
    if not properties:
        return default_properties(names)
    wanted = [name.upper() for name in properties]
    drawn = [*names, *(name for name in QUALITY if name in there)]
    drawn += [name for name, needs in DERIVED.items() if set(needs) <= set(names)]
    if unknown := [name for name in wanted if name not in drawn]:
        raise PixsedError(f"{path} has no map of {', '.join(unknown)}; it has {', '.join(drawn)}")
    return wanted


def _extensions(wanted, names, there):
    """Return the extensions to read, one P50 at least: it says which pixels are fitted."""
    found = []
    for name in wanted:
        if name in QUALITY:
            found.append(name)
            continue
        for prop in DERIVED.get(name, (name,)):
            found += [f"{prop}_P50", f"{prop}_STD"]
    found.append(f"{names[0]}_P50")
    return [name for name in dict.fromkeys(found) if name in there]


def _window(fitted, margin):
    """Return the rows and columns of the fitted pixels, and some more on each side."""
    return tuple(
        slice(max(where[0] - margin, 0), where[-1] + margin + 1)
        for where in (np.flatnonzero(fitted.any(axis=1)), np.flatnonzero(fitted.any(axis=0)))
    )


def _planes(name, planes, area, redshift, path):
    """Return the median and the standard deviation, or None, of a property."""
    if name in QUALITY:
        return planes[name].astype(np.float32), None
    if name == "LOGSSFR":
        return planes["LOGSFR_P50"] - planes["LOGMSTAR_P50"], None
    if name == "LOGSIGMA_SFR":
        if not redshift > 0:
            raise PixsedError(
                f"{path}: LOGSIGMA_SFR needs the area of a pixel in kpc^2, and its header has no "
                "REDSHIFT above 0; draw LOGSFR instead"
            )
        log_area = np.float32(np.log10(area * kpc_per_arcsec(redshift) ** 2))
        return planes["LOGSFR_P50"] - log_area, planes.get("LOGSFR_STD")
    return planes[f"{name}_P50"], planes.get(f"{name}_STD")

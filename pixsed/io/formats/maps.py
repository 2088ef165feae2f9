"""The Maps file: posterior quantiles of each property, pixel by pixel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.dq import DQ
from pixsed.errors import PixsedError, listed
from pixsed.io.cards import safe_cards
from pixsed.io.headers import celestial_header, celestial_wcs
from pixsed.io.locate import is_image, open_fits
from pixsed.io.provenance import stamp
from pixsed.properties import quantile_name, unit_and_description

#: Planes that follow those of the properties, in order: name -> description.
QUALITY = {
    "SNR": "mean S/N of the pixel",
    "NBANDS": "bands used in the fit",
    "OOD": "share of the model's populations with a larger CHI2",
    "CHI2": "predictive chi^2 per band",
    "DQ": "quality bits, named in the header",
}
# Types of the planes that are not float32.
_TYPES = {"NBANDS": "i2", "DQ": "i4", "BINMAP": "i4"}
_QUANTILE = re.compile(r"(?P<property>.+)_P(?P<decimals>\d{2,})")


def model_flux_text(band):
    """Return the description of a plane or column of predicted fluxes."""
    return f"predicted flux in {band}, of the draw closest to the photometry"


@dataclass
class Maps:
    """Maps of posterior quantiles, in memory.

    Attributes
    ----------
    properties : list of str
        Names of the properties, in the order of the file.
    quantiles : tuple of float
        Levels of the quantiles, the median first.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        Planes by extension name: ``LOGMSTAR_P50``, ``LOGMSTAR_P16``, ..., ``LOGMSTAR_STD``, ...,
        ``F444W_MODEL`` and so on (nJy per pixel) if predicted fluxes were asked for, SNR, NBANDS
        (int16), OOD, CHI2 and DQ (int32), and BINMAP (int32) if pixels are binned. The others
        are float32. NaN where a pixel is not fitted; DQ says why.
    snr_bands : list of str
        Bands of the mean S/N.
    nfit : int
        Number of pixels fitted.
    nbins : int or None
        Number of bins fitted; None if pixels are not binned.
    units : dict of str to str
        Property -> unit of its planes, ``""`` if dimensionless. A property that is missing has
        the unit of `pixsed.properties.PROPERTIES`.
    header : `~astropy.io.fits.Header` or None
        Cards of the celestial WCS.
    primary : `~astropy.io.fits.Header` or None
        Primary header: object, redshift and provenance. None for maps that no file holds.
    name : str
        File name, for messages.
    """

    properties: list[str]
    quantiles: tuple[float, ...]
    planes: dict[str, np.ndarray] = field(default_factory=dict)
    snr_bands: list[str] = field(default_factory=list)
    nfit: int = 0
    nbins: int | None = None
    units: dict[str, str] = field(default_factory=dict)
    header: fits.Header | None = None
    primary: fits.Header | None = None
    name: str = "maps"

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx) of every plane."""
        return next(iter(self.planes.values())).shape

    @property
    def wcs(self) -> WCS:
        """Celestial WCS of the planes."""
        if self.header is None:
            raise PixsedError(
                f"{self.name} must have a WCS, got none; read the maps from a file with read_maps"
            )
        return celestial_wcs(self.header, self.name)

    @property
    def dq(self) -> np.ndarray:
        """Quality bits, (ny, nx) int32: those of `~pixsed.dq.DQ`."""
        return self.planes["DQ"]

    def quantile(self, name: str, level: float = 0.5) -> u.Quantity:
        """Return a quantile of a property, with its unit.

        Parameters
        ----------
        name : str
            Property, for example ``"LOGMSTAR"``.
        level : float, optional
            One of `quantiles`; the median by default.

        Returns
        -------
        `~astropy.units.Quantity`, shape (ny, nx)
            A `~astropy.units.Dex` for a logarithmic unit such as ``dex(solMass)``, whose
            ``.physical`` is linear. NaN where a pixel is not fitted. Quantiles do not add up: use
            `pixsed.sum_mass` for the total mass of a galaxy.

        Raises
        ------
        PixsedError
            If there is no such map.

        Examples
        --------
        >>> maps = read_maps("maps.fits")  # doctest: +SKIP
        >>> maps.quantile("LOGMSTAR", 0.16).physical.to("Msun")  # doctest: +SKIP
        """
        return self._with_unit(name, quantile_name(level))

    def std(self, name: str) -> u.Quantity:
        """Return the standard deviation of a property; parameters as for `quantile`."""
        return self._with_unit(name, "STD")

    def _with_unit(self, name: str, suffix: str) -> u.Quantity:
        plane = self.planes.get(f"{name}_{suffix}")
        if plane is None:
            there = ", ".join(self.properties)
            levels = ", ".join(f"{level:g}" for level in self.quantiles)
            raise PixsedError(
                f"no map {name}_{suffix}; the properties are {there}, the quantiles {levels}"
            )
        text = self.units.get(name, unit_and_description(name)[0])
        return u.Quantity(plane, u.Unit(text), subok=True)


def read_maps(path: str | PathLike, extensions: Iterable[str] | None = None) -> Maps:
    """Read maps that `pixsed.fit_cube` or ``pixsed fit`` wrote.

    Parameters
    ----------
    path : str or path-like
        FITS file, gzipped or not.
    extensions : str or iterable of str, optional
        Extensions to read, for example ``["LOGMSTAR_P50"]``; by default every plane.

    Returns
    -------
    `Maps`

    Raises
    ------
    PixsedError
        If the file cannot be read, holds no maps, or lacks an extension.

    Examples
    --------
    >>> maps = read_maps("maps.fits")  # doctest: +SKIP
    >>> maps.quantile("LOGMSTAR").shape  # doctest: +SKIP
    (101, 101)
    """
    with open_fits(path) as hdulist:
        return maps_of_hdulist(hdulist, str(path), extensions)


def property_names(hdulist: fits.HDUList, path: str) -> list[str]:
    """Return the properties of an open Maps file, in its order.

    Raises
    ------
    PixsedError
        If the file holds no maps.
    """
    found = [hdu.name[:-4] for hdu in hdulist if hdu.name.endswith("_P50")]
    if not found:
        raise PixsedError(f"{path} holds no maps; make them with pixsed fit")
    return found


def maps_of_hdulist(
    hdulist: fits.HDUList, path: str, extensions: Iterable[str] | None = None
) -> Maps:
    """Return the `Maps` of an open file; see `read_maps`."""
    properties = property_names(hdulist, path)
    planes = [hdu.name for hdu in hdulist[1:] if is_image(hdu)]
    extensions = [extensions] if isinstance(extensions, str) else extensions
    wanted = planes if extensions is None else list(extensions)
    if missing := [name for name in wanted if name not in planes]:
        raise PixsedError(f"{path} has no extension {', '.join(missing)}; it has {listed(planes)}")
    shapes = {hdulist[name].shape for name in wanted}
    if len(shapes) > 1:
        raise PixsedError(
            f"{path}: its maps have different shapes, {sorted(shapes)}; make them with pixsed fit"
        )
    first = hdulist[f"{properties[0]}_P50"].header
    primary = hdulist[0].header
    matches = [_QUANTILE.fullmatch(name) for name in planes]
    return Maps(
        properties=properties,
        quantiles=tuple(
            float(f"0.{match['decimals']}")
            for match in matches
            if match and match["property"] == properties[0]
        ),
        planes={name: _native(hdulist[name].data) for name in wanted},
        snr_bands=[band for band in str(primary.get("SNRBANDS", "")).split(",") if band],
        nfit=int(primary.get("NFIT", 0)),
        nbins=int(primary["NBINS"]) if "NBINS" in primary else None,
        units={
            name: str(hdulist[f"{name}_P50"].header.get("BUNIT", "")).strip() for name in properties
        },
        header=celestial_header(first, path),
        primary=primary.copy(),
        name=path,
    )


def _native(data: np.ndarray) -> np.ndarray:
    """Return a copy of an array in the byte order of this machine."""
    return np.array(data, dtype=data.dtype.newbyteorder("="))


@dataclass
class MapsLayout:
    """Headers and table of a Maps file: all but the pixels.

    Attributes
    ----------
    primary : `~astropy.io.fits.Header`
        Primary header.
    planes : dict of str to (str, `~astropy.io.fits.Header`)
        Extension name -> type (``"f4"``, ``"i2"`` or ``"i4"``) and header, in the order of the
        file.
    table : `~astropy.io.fits.BinTableHDU`
        The table MAPS, the last extension.
    """

    primary: fits.Header
    planes: dict[str, tuple[str, fits.Header]]
    table: fits.BinTableHDU


def maps_layout(
    properties: Sequence[str],
    quantiles: Sequence[float],
    *,
    header: fits.Header,
    units: Mapping[str, tuple[str, str]],
    flux_errors: Mapping[str, float] | None = None,
    unset: Mapping[DQ, str] | None = None,
    binned: bool = False,
    cards: Mapping[str, Any] | None = None,
    **provenance: Any,
) -> MapsLayout:
    """Return the `MapsLayout` of a fit.

    Parameters
    ----------
    properties : sequence of str
        In the order of the file.
    quantiles : sequence of float
        Levels, the median first.
    header : `~astropy.io.fits.Header`
        Header of the cube, whose celestial WCS goes into every plane.
    units : dict of str to (str, str)
        Property -> unit and description.
    flux_errors : dict of str to float, optional
        Bands whose predicted fluxes are written -> relative error of the prediction.
    unset : dict of `~pixsed.dq.DQ` to str, optional
        Bits that this fit never sets -> reason, for the header of DQ.
    binned : bool, optional
        Whether pixels are binned; a plane BINMAP is then added.
    cards : dict, optional
        Keyword -> value or (value, comment), for the primary header. OBJECT goes into the header
        of every plane too.
    **provenance
        inputs, history and command; see `pixsed.io.provenance.stamp`.
    """
    planes, rows = {}, []
    cards = safe_cards(cards or {})
    wcs = celestial_header(header)
    if "OBJECT" in cards:  # viewers of images show it, and it labels a plane that is copied out
        wcs["OBJECT"] = cards["OBJECT"]
    flux_errors = {f"{band}_MODEL": error for band, error in (flux_errors or {}).items()}
    for name, prop, quantile, unit, description in [
        *_property_rows(properties, quantiles, units),
        *((name, name, None, "nJy", model_flux_text(name[:-6])) for name in flux_errors),
        *_quality_rows(binned),
    ]:
        head = _plane_header(wcs, prop, quantile, unit, description)
        if name in flux_errors:
            head["RELERR"] = (flux_errors[name], "relative error of the prediction, in CHI2")
        if name == "DQ":
            head.update(_dq_cards(unset or {}))
        planes[name] = _TYPES.get(name, "f4"), head
        number = quantile if isinstance(quantile, float) else np.nan
        rows.append((name, prop, number, unit, description))
    primary = _primary_header(cards, provenance)
    return MapsLayout(primary, planes, _maps_table(rows))


def _property_rows(properties, quantiles, units):
    """Yield (extension, property, quantile, unit, description) of each plane of the properties.

    The quantile is a float or ``"STD"``; for other planes it is None.
    """
    for prop in properties:
        unit, description = units[prop]
        for quantile in quantiles:
            name = f"{prop}_{quantile_name(quantile)}"
            yield name, prop, float(quantile), unit, description
        yield f"{prop}_STD", prop, "STD", unit, f"standard deviation: {description}"


def _quality_rows(binned):
    """Yield the same for each plane of quality."""
    for name, description in QUALITY.items():
        yield name, name, None, "", description
    if binned:
        yield "BINMAP", "BINMAP", None, "", "bin of the pixel, 0 = in none"


def _plane_header(wcs, prop, quantile, unit, description):
    header = wcs.copy()
    header["BUNIT"] = (unit, "unit of the pixels" if unit else "dimensionless")
    header["PROPERTY"] = (prop, description[:40])
    if quantile == "STD":
        header["QUANTILE"] = (quantile, "standard deviation of the posterior")
    elif quantile is not None:
        header["QUANTILE"] = (quantile, "of the posterior")
    return header


def _dq_cards(unset):
    cards = DQ.cards("DQBIT")
    for bit, reason in unset.items():
        cards[bit.keyword("DQBIT")] = f"{bit:d}: never set: {reason}"
    return cards


def _primary_header(cards, provenance):
    primary = fits.PrimaryHDU().header
    cards = dict(cards)
    for key in ("OBJECT", "REDSHIFT", "ZERR", "PIXAR_A2"):
        if key in cards:
            primary[key] = cards.pop(key)
    return stamp(primary, **provenance, **cards)


def _maps_table(rows):
    """Return the table MAPS, one row per plane."""
    names = ("extname", "property", "quantile", "unit", "description")
    columns = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name == "quantile":
            columns.append(fits.Column(name, "D", array=np.array(values, dtype=float)))
        else:
            width = max(1, *map(len, values))
            columns.append(fits.Column(name, f"{width}A", array=np.array(values)))
    return fits.BinTableHDU.from_columns(columns, name="MAPS")

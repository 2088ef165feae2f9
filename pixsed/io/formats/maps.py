"""The Maps file: posterior quantiles of every property, pixel by pixel."""

from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits

from pixsed.dq import DQ
from pixsed.io.atomic import write_hdulist
from pixsed.io.cards import safe_cards
from pixsed.io.headers import celestial_header
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp

#: Planes that follow those of the properties, in order: name -> description.
QUALITY = {
    "SNR": "mean S/N of the pixel",
    "NBANDS": "bands used in the fit",
    "OOD": "share of the model's populations with a larger CHI2",
    "CHI2": "predictive chi^2 per band",
    "DQ": "quality bits, named in the header",
}
# Of those that are not float32.
_KINDS = {"NBANDS": "i2", "DQ": "i4"}


@dataclass
class Maps:
    """Maps of posterior quantiles: planes of (ny, nx) by extension name.

    Attributes
    ----------
    properties : list of str
        In the order of the file.
    quantiles : tuple of float
        Median first.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        ``LOGMSTAR_P50`` and so on, then SNR, NBANDS (int16), OOD, CHI2, DQ (int32).
        float32 but for these; NaN where not fitted.
    snr_bands : list of str
    nfit : int
        Number of pixels fitted.
    nbins : int or None
        Number of bins fitted, where pixels are binned; BINMAP (int32) is then among the planes.
    units : dict of str to str
        Property -> unit of its planes.
    header : `~astropy.io.fits.Header` or None
        Cards of the celestial WCS.
    primary : `~astropy.io.fits.Header` or None
        Primary header; None for maps that no file holds.
    """

    properties: list
    quantiles: tuple
    planes: dict = field(default_factory=dict)
    snr_bands: list = field(default_factory=list)
    nfit: int = 0
    nbins: int | None = None
    units: dict = field(default_factory=dict)
    header: fits.Header | None = None
    primary: fits.Header | None = None


def read_maps(path):
    """Return the `Maps` of a file."""
    with open_fits(path) as hdulist:
        header, table = hdulist[0].header, hdulist["MAPS"].data
        planes = {hdu.name: np.array(hdu.data) for hdu in hdulist[1:-1]}
        planes = {k: v.astype(v.dtype.newbyteorder("=")) for k, v in planes.items()}
        properties = [p for p in dict.fromkeys(table["property"]) if p not in (*QUALITY, "BINMAP")]
        quantiles = tuple(float(q) for q in dict.fromkeys(table["quantile"]) if np.isfinite(q))
        return Maps(
            properties,
            tuple(dict.fromkeys(quantiles)),
            planes,
            header["SNRBANDS"].split(","),
            header["NFIT"],
            header.get("NBINS"),
            {row["property"]: row["unit"] for row in table if row["property"] in properties},
            celestial_header(hdulist[1].header),
            header.copy(),
        )


@dataclass
class MapsLayout:
    """What a Maps file holds, beside the data: the same whether it is written whole or in parts.

    Attributes
    ----------
    primary : `~astropy.io.fits.Header`
    planes : dict of str to (kind, `~astropy.io.fits.Header`)
        Extension name -> ``"f4"``, ``"i2"`` or ``"i4"``, and its cards, in the file's order.
    table : `~astropy.io.fits.BinTableHDU`
        MAPS, which comes last.
    """

    primary: fits.Header
    planes: dict
    table: fits.BinTableHDU


def maps_layout(
    properties,
    quantiles,
    *,
    header,
    units,
    quantile_name,
    has_ood=True,
    binned=False,
    cards=None,
    inputs=(),
    history=(),
    command=None,
):
    """Return the `MapsLayout` of a fit.

    Parameters
    ----------
    properties : sequence of str
        In the order of the file.
    quantiles : sequence of float
        Median first.
    header : `~astropy.io.fits.Header`
        Of the cube: its celestial WCS goes into every image.
    units : dict of str to (unit, description)
        A pair a property.
    quantile_name : callable
        From 0.16 to ``"P16"``.
    has_ood : bool, optional
        Whether the fit gives an OOD; without, the bit of DQ for it is never set.
    binned : bool, optional
        Whether there is a BINMAP.
    cards : dict, optional
        Keyword -> value or (value, comment) for the primary.
    inputs, history, command
        For the provenance; see `pixsed.io.provenance.stamp`.
    """
    primary = fits.PrimaryHDU().header
    cards = safe_cards(cards or {})
    for key in ("OBJECT", "REDSHIFT", "ZERR", "PIXAR_A2"):
        if key in cards:
            primary[key] = cards.pop(key)
    stamp(primary, inputs=inputs, history=history, command=command, **cards)
    planes, rows = {}, []
    wcs = celestial_header(header)

    def add(name, prop, quantile, unit, description, kind="f4"):
        head = wcs.copy()
        head["BUNIT"] = (unit, "unit of the pixels" if unit else "dimensionless")
        head["PROPERTY"] = (prop, description[:40])
        if quantile is not None:
            head["QUANTILE"] = (
                quantile,
                "of the posterior" if quantile != "STD" else "standard deviation of the posterior",
            )
        if name == "DQ":
            head.update(DQ.cards("DQBIT"))
            if not has_ood:
                bit = DQ.OUT_OF_DISTRIBUTION
                head[f"DQBIT{bit.bit_length() - 1}"] = f"{bit}: never set: OOD is not known"
        planes[name] = kind, head
        number = quantile if isinstance(quantile, float) else np.nan
        rows.append((name, prop, number, unit, description))

    for prop in properties:
        unit, description = units[prop]
        for quantile in quantiles:
            add(f"{prop}_{quantile_name(quantile)}", prop, float(quantile), unit, description)
        add(f"{prop}_STD", prop, "STD", unit, f"standard deviation: {description}")
    for name, description in QUALITY.items():
        add(name, name, None, "", description, _KINDS.get(name, "f4"))
    if binned:
        add("BINMAP", "BINMAP", None, "", "bin of the pixel, 0 = in none", "i4")
    return MapsLayout(primary, planes, _table(rows))


def write_maps(path, planes, *args, overwrite=False, **kwargs):
    """Write a Maps file whole, atomically.

    Parameters
    ----------
    path : str or path-like
        ``"-"`` is standard output.
    planes : dict of str to `~numpy.ndarray`, shape (ny, nx)
        ``<PROP>_P50``, ..., ``<PROP>_STD`` of each property, and those of `QUALITY`;
        BINMAP where pixels are binned. NaN where not fitted.
    *args, **kwargs
        Of `maps_layout`.
    overwrite : bool, optional

    Raises
    ------
    PixsedError
        If the file is there already, or its folder is not.
    """
    layout = maps_layout(*args, binned="BINMAP" in planes, **kwargs)
    hdus = [fits.PrimaryHDU(header=layout.primary)]
    for name, (kind, header) in layout.planes.items():
        hdus.append(fits.ImageHDU(np.asarray(planes[name], dtype=kind), header, name=name))
    write_hdulist(fits.HDUList([*hdus, layout.table]), path, overwrite)


def _table(rows):
    """Return the table MAPS, one row per extension."""
    names = ("extname", "property", "quantile", "unit", "description")
    columns = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        if name == "quantile":
            columns.append(fits.Column(name, "D", array=np.array(values, dtype=float)))
        else:
            width = max(1, *map(len, values))
            columns.append(fits.Column(name, f"{width}A", array=np.array(values)))
    return fits.BinTableHDU.from_columns(columns, name="MAPS")

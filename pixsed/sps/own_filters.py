"""Filters of a user: their curves, and what files of simulations and models record of them."""

import warnings
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.bandnames import check_band_name, pivot_um
from pixsed.io.locate import parse_location
from pixsed.sps.filter_files import read_curve
from pixsed.sps.filters import check_range, load_curve

# Bands whose depths give that of a filter without one.
_WITH_DEPTH = ["UVIS_F275W", "UVIS_F336W", *PAPER_BANDS, "MIRI_F560W", "MIRI_F770W"]
# Names of extensions and columns of pixsed's files.
_TAKEN = "PRIMARY SEGMAP BANDS BINMAP MAPS ID RA DEC REDSHIFT SNR NBANDS OOD CHI2 DQ".split()


@dataclass(frozen=True)
class OwnFilter:
    """A filter that pixsed does not know.

    Attributes
    ----------
    name : str
        Name of the band.
    pivot_um : float
        Pivot wavelength in micron.
    depth : float
        Nominal 1-sigma depth of a pixel in nJy.
    source : str
        Name of the file of the curve, without its folder, up to 60 letters of ASCII.
    digest : str
        First 32 characters of the SHA-256 of the curve, whatever the scale of the transmission.
    curve : tuple of `~numpy.ndarray`, or None
        Wavelength [Angstrom] and transmission; None if read from simulations or a model.
    path : str or None
        The file.
    """

    name: str
    pivot_um: float
    depth: float
    source: str
    digest: str
    curve: tuple | None = field(default=None, compare=False, repr=False)
    path: str | None = field(default=None, compare=False, repr=False)

    def cards(self, number):
        """Return the FITS cards (keyword, value, comment) of the filter of band `number`."""
        return [
            (f"FPIV{number}", self.pivot_um, f"[um] pivot wavelength of BAND{number}"),
            (f"FDEP{number}", self.depth, "[nJy] its nominal 1-sigma depth"),
            (f"FSRC{number}", self.source, "file of its curve"),
            (f"FSHA{number}", self.digest, "digest of its curve (SHA-256)"),
        ]

    @classmethod
    def from_header(cls, header, number):
        """Return the filter of band `number`, or None if it is a band of `pixsed.bands`."""
        if f"FSHA{number}" not in header:
            return None
        values = [header[f"{key}{number}"] for key in ("BAND", "FPIV", "FDEP", "FSRC", "FSHA")]
        return cls(*values)

    def describe(self):
        """Return the filter without its curve, as a dict for JSON."""
        return {
            "name": self.name,
            "pivot_um": self.pivot_um,
            "depth_1sigma_njy": self.depth,
            "source": self.source,
            "sha256": self.digest,
        }


def read_own_filter(name, text, depth=None):
    """Return the `OwnFilter` of a file.

    Parameters
    ----------
    name : str
        Name of the band, in any case.
    text : str
        File of the curve, for `~pixsed.sps.filter_files.read_curve`.
    depth : float, optional
        Nominal 1-sigma depth of a pixel, nJy; default: `interpolated_depth`.

    Raises
    ------
    PixsedError
        If the name is taken or not valid, the curve cannot be read or lies beyond the
        wavelengths of pixsed, or the depth is not above 0.

    Warns
    -----
    PixsedWarning
        If there is no depth.
    """
    band = check_band_name(name, "--filter")
    if band in BY_NAME or band in _TAKEN:
        kind = "a band of pixsed" if band in BY_NAME else "a name in pixsed's files"
        raise PixsedError(f"--filter {name}={text}: {band} is {kind}; give it another name")
    wave, transmission, _ = read_curve(text)
    check_range(band, wave, transmission)
    flat = [np.trapezoid(transmission * wave**power, wave) for power in (1, -1)]
    pivot = float(np.sqrt(flat[0] / flat[1])) / 1e4
    if depth is None:
        depth = interpolated_depth(pivot)
        warnings.warn(
            f"{band} has no depth: {depth:g} nJy is interpolated from bands of pixsed; give the "
            f"1-sigma depth of a pixel as --depth {band}=NJY",
            PixsedWarning,
            stacklevel=2,
        )
    if not 0 < depth < np.inf:
        raise PixsedError(f"--depth {band} must be above 0 nJy, got {depth:g}")
    path = parse_location(text).path
    return OwnFilter(
        band,
        round(pivot, 6),
        float(depth),
        Path(path).name.encode("ascii", "replace").decode()[:60],
        _digest(wave, transmission),
        (wave, transmission),
        str(path),
    )


def _digest(wave, transmission):
    values = np.stack([wave, transmission / transmission.max()]).astype(np.float32)
    return sha256(values.tobytes()).hexdigest()[:32]


def interpolated_depth(pivot):
    """Return a depth [nJy] from those of bands near a pivot wavelength [micron].

    The logarithm is interpolated in that of the wavelength, among the bands of the paper, UVIS
    F275W and F336W, and MIRI F560W and F770W.
    """
    bands = sorted((BY_NAME[name] for name in _WITH_DEPTH), key=lambda band: band.pivot_um)
    known = np.log([(band.pivot_um, band.depth) for band in bands])
    return float(f"{np.exp(np.interp(np.log(pivot), *known.T)):.3g}")


def load_curves(bands, filters=()):
    """Return wavelength [Angstrom] and transmission by band.

    Parameters
    ----------
    bands : sequence of str
    filters : sequence of `OwnFilter`, optional
        Those of bands that are not in `pixsed.bands`.

    Raises
    ------
    PixsedError
        If a band has no curve.
    """
    own = {filter_.name: filter_.curve for filter_ in filters}
    return {band: own[band] if band in own else load_curve(band) for band in bands}


def with_filters(bands, filters):
    """Return `bands` with the names of own filters that are not among them, by wavelength.

    Parameters
    ----------
    bands : sequence of str
    filters : sequence of `OwnFilter`

    Returns
    -------
    list of str
        The order of `bands` is kept; each further one comes before the first of longer wavelength.
    """
    pivots = {filter_.name: filter_.pivot_um for filter_ in filters}
    bands = list(bands)
    for name, pivot in pivots.items():
        if name not in bands:
            longer = (i for i, band in enumerate(bands) if pivots.get(band, pivot_um(band)) > pivot)
            bands.insert(next(longer, len(bands)), name)
    return bands

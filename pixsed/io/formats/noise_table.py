"""The noise table: what errors the pixels of a survey have, by band and bin of flux."""

from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError
from pixsed.io.atomic import write_hdulist
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp

_MAKE = "make it with pixsed noise"


@dataclass
class BandNoise:
    """The errors of one band's pixels in K bins of flux; nJy, no NaN but in `depth`.

    Attributes
    ----------
    edges : `~numpy.ndarray`, shape (K + 1,)
        Of the bins, ascending.
    mean, std : `~numpy.ndarray`, shape (K,)
        The Gaussian of the errors of each bin.
    npix : `~numpy.ndarray` of int, shape (K,)
        Pixels that it was fitted to.
    noise_corr, noise_corr_err : float
        Factor by which the noise of a sum of many pixels exceeds that of independent
        ones, and its error where it was measured; else NaN.
    corr_from : str
        ``"apertures"``: measured in empty sky; ``"cubes"``: from the cubes' tables;
        ``"lower limit"``: of the largest empty apertures that the cubes have.
    depth : float
        1-sigma depth of a pixel of sky; NaN = not known.
    psfmatch : str
        Band to whose PSF this one was matched, ``"none"`` or ``"unknown"``.
    """

    edges: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    npix: np.ndarray
    noise_corr: float = 1.0
    noise_corr_err: float = float("nan")
    corr_from: str = "cubes"
    depth: float = float("nan")
    psfmatch: str = "unknown"

    def __post_init__(self):
        self.edges, self.mean, self.std = (
            np.asarray(values, dtype=float) for values in (self.edges, self.mean, self.std)
        )
        self.npix = np.asarray(self.npix, dtype=int)
        count = len(self.mean)
        if count < 1 or len(self.edges) != count + 1 or len(self.std) != count:
            raise PixsedError("a band must have a mean and a scatter a bin, and one more edge")
        if not (np.isfinite(self.edges).all() and np.all(np.diff(self.edges) > 0)):
            raise PixsedError("edges of the bins of flux must be finite and ascend")
        if not (np.isfinite(self.mean).all() and np.all(self.mean > 0)):
            raise PixsedError("mean errors must be finite and above 0")
        if not (np.isfinite(self.std).all() and np.all(self.std >= 0)):
            raise PixsedError("scatters of the errors must be finite, 0 or more")


@dataclass
class NoiseTable:
    """Errors of pixels by band.

    Attributes
    ----------
    bands : dict of str to `BandNoise`
    name : str
        The file it came from.
    """

    bands: dict = field(default_factory=dict)
    name: str = "noise"


def write_noise(table, path, overwrite=False, inputs=(), history=()):
    """Write a `NoiseTable` as FITS: NOISE, one row per band and bin, and BANDS, one per band.

    Parameters
    ----------
    table : `NoiseTable`
    path : str or path-like
        ``"-"`` is standard output.
    overwrite : bool, optional
    inputs, history : sequence of str, optional
        For the provenance (`pixsed.io.provenance.stamp`).

    Raises
    ------
    PixsedError
        If the file is there already, or its folder is not.
    """
    from astropy.io import fits
    from astropy.table import Table

    rows = [
        (
            band,
            i + 1,
            noise.edges[i],
            noise.edges[i + 1],
            noise.mean[i],
            noise.std[i],
            noise.npix[i],
        )
        for band, noise in table.bands.items()
        for i in range(len(noise.mean))
    ]
    names = ("BAND", "BIN", "FLUX_LO", "FLUX_HI", "SIGMA_MEAN", "SIGMA_STD", "NPIX")
    bins = Table(rows=rows, names=names)
    for name in names[2:6]:
        bins[name].unit = "nJy"
    bands = Table(
        rows=[
            (
                band,
                float(n.noise_corr),
                float(n.noise_corr_err),
                n.corr_from,
                float(n.depth),
                n.psfmatch,
            )
            for band, n in table.bands.items()
        ],
        names=("BAND", "NOISE_CORR", "NOISE_CORR_ERR", "CORR_FROM", "DEPTH", "PSFMATCH"),
    )
    bands["DEPTH"].unit = "nJy"
    primary = fits.PrimaryHDU()
    stamp(primary.header, inputs=inputs, history=history)
    hdus = [primary]
    for name, part in (("NOISE", bins), ("BANDS", bands)):
        hdu = fits.table_to_hdu(part)
        hdu.name = name
        hdus.append(hdu)
    write_hdulist(fits.HDUList(hdus), path, overwrite)


def read_noise(path):
    """Read what `write_noise` wrote.

    Raises
    ------
    PixsedError
        If the file cannot be read, is not a noise table, or holds values that no error has.
    """
    path = str(path)
    with open_fits(path) as hdulist:
        if not {"NOISE", "BANDS"} <= {hdu.name for hdu in hdulist}:
            raise PixsedError(f"{path} is not a noise table: no tables NOISE and BANDS; {_MAKE}")
        bins, bands = hdulist["NOISE"].data, hdulist["BANDS"].data
        found = {}
        try:
            of_bin = np.char.strip(np.asarray(bins["BAND"], dtype=str))
            for row in bands:
                band = str(row["BAND"]).strip()
                mine = bins[of_bin == band]
                mine = mine[np.argsort(mine["BIN"], kind="stable")]
                if not np.array_equal(mine["FLUX_LO"][1:], mine["FLUX_HI"][:-1]):
                    raise PixsedError("each bin must begin where the one below it ends")
                found[band] = BandNoise(
                    edges=np.append(mine["FLUX_LO"], mine["FLUX_HI"][-1:]),
                    mean=mine["SIGMA_MEAN"],
                    std=mine["SIGMA_STD"],
                    npix=mine["NPIX"],
                    noise_corr=float(row["NOISE_CORR"]),
                    noise_corr_err=float(row["NOISE_CORR_ERR"]),
                    corr_from=str(row["CORR_FROM"]).strip(),
                    depth=float(row["DEPTH"]),
                    psfmatch=str(row["PSFMATCH"]).strip(),
                )
        except KeyError as error:
            raise PixsedError(f"{path}: {error.args[0]}; {_MAKE}") from error
        except PixsedError as error:
            raise PixsedError(f"{path}, band {band}: {error}; {_MAKE}") from None
    lone = set(of_bin) - set(found)
    if lone or not found:
        lone = " ".join(sorted(lone)) or "every band"
        raise PixsedError(f"{path}: its table BANDS lacks {lone}; {_MAKE}")
    return NoiseTable(found, path)

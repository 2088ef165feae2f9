"""The noise table: errors of the pixels of a survey, by band and bin of flux."""

from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError
from pixsed.io.atomic import write_hdulist
from pixsed.io.locate import open_fits
from pixsed.io.provenance import stamp

_MAKE = "make it with pixsed noise"


@dataclass
class BandNoise:
    """Errors of the pixels of one band in K bins of flux, in nJy.

    NaN is allowed only where stated.

    Attributes
    ----------
    edges : `~numpy.ndarray`, shape (K + 1,)
        Edges of the bins, ascending.
    mean, std : `~numpy.ndarray`, shape (K,)
        Mean and standard deviation of the Gaussian fitted to the errors of each bin.
    npix : `~numpy.ndarray` of int, shape (K,)
        Number of pixels in each bin.
    noise_corr, noise_corr_err : float
        Noise of a sum of many pixels over that of as many independent pixels, and its error; the
        error is NaN if it was not measured.
    corr_from : str
        Origin of `noise_corr`: ``"apertures"``, measured in empty sky; ``"cubes"``, from the tables
        of the cubes; ``"lower limit"``, from the largest empty apertures in the cubes.
    depth : float
        1-sigma depth of a pixel of sky; NaN = not known.
    psfmatch : str
        Band to whose PSF this one was matched, ``"none"`` or ``"unknown"``.

    Raises
    ------
    PixsedError
        If the shapes do not agree or a value is out of range.
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
            raise PixsedError("a band must have one mean and one std per bin, and one more edge")
        if not (np.isfinite(self.edges).all() and np.all(np.diff(self.edges) > 0)):
            raise PixsedError("bin edges must be finite and ascending")
        if not (np.isfinite(self.mean).all() and np.all(self.mean > 0)):
            raise PixsedError("mean errors must be finite and above 0")
        if not (np.isfinite(self.std).all() and np.all(self.std >= 0)):
            raise PixsedError("standard deviations of the errors must be finite, 0 or more")


@dataclass
class NoiseTable:
    """Errors of pixels by band.

    Attributes
    ----------
    bands : dict of str to `BandNoise`
    name : str
        File name, for messages.
    """

    bands: dict = field(default_factory=dict)
    name: str = "noise"


def write_noise(table, path, overwrite=False, inputs=(), history=()):
    """Write a `NoiseTable` as FITS: NOISE, one row per band and bin, and BANDS, one row per band.

    Parameters
    ----------
    table : `NoiseTable`
    path : str or path-like
        Output; ``"-"`` is standard output.
    overwrite : bool, optional
        Replace the file if it exists.
    inputs, history : sequence of str, optional
        Provenance (`pixsed.io.provenance.stamp`).

    Raises
    ------
    PixsedError
        If the file exists and `overwrite` is false, or its folder does not exist.
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
    """Read a noise table that `write_noise` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    `NoiseTable`

    Raises
    ------
    PixsedError
        If the file cannot be read, is not a noise table, or has values that errors cannot have.
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

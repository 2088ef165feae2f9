"""The file of simulations: a BINTABLE of parameters and noiseless fluxes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError
from pixsed.sps.ssp import POPULATION_KEYS


@dataclass
class Simulations:
    """Simulated populations.

    Attributes
    ----------
    prior : str
    bands : list of str
    columns : dict of `~numpy.ndarray`, shape (N,)
        Parameters, physical units.
    unit : `~numpy.ndarray`, shape (N, D)
        Cumulative prior probabilities of the prior's coordinates.
    flux : `~numpy.ndarray`, shape (N, B)
        Noiseless, nJy.
    meta : dict
        What the SSP grid says of itself, and SEED.
    """

    prior: str
    bands: list
    columns: dict
    unit: np.ndarray
    flux: np.ndarray
    meta: dict

    def __len__(self):
        return len(self.flux)


def write_simulations(batches, path, *, prior, bands, n, meta, units, overwrite=False, inputs=()):
    """Write batches, as `simulate` yields them, to a FITS table.

    Parameters
    ----------
    batches : iterable
    path : path-like
    prior : str
    bands : sequence of str
    n : int
        Rows in all.
    meta : dict
        Header cards of the SSP grid.
    units : dict of str
        FITS unit of each parameter.
    overwrite : bool, optional
    inputs : sequence of path-like, optional
    """
    from astropy.io import fits

    from pixsed.io.atomic import write_hdulist
    from pixsed.io.provenance import stamp

    data = None
    start = 0
    for columns, unit, fluxes in batches:
        if data is None:
            dtype = [(name, ">f8") for name in columns]
            dtype += [("UNIT", ">f8", (unit.shape[1],)), ("FLUX", ">f4", (fluxes.shape[1],))]
            data = np.empty(n, dtype=dtype)
        rows = slice(start, start + len(fluxes))
        for name, values in columns.items():
            data[name][rows] = values
        data["UNIT"][rows] = unit
        data["FLUX"][rows] = fluxes
        start += len(fluxes)
    primary = fits.PrimaryHDU()
    stamp(primary.header, inputs=inputs)
    table = fits.BinTableHDU(data, name="SIMS")
    for number, name in enumerate(data.dtype.names, 1):
        if units.get(name):
            table.header[f"TUNIT{number}"] = units[name]
    table.header[f"TUNIT{len(data.dtype.names)}"] = "nJy"
    table.header["SIMULATD"] = (True, "simulated, not observed")
    table.header["PRIOR"] = prior
    for number, band in enumerate(bands, 1):
        table.header[f"BAND{number}"] = (band, f"FLUX element {number}")
    for key, value in meta.items():
        table.header[key] = value
    write_hdulist(fits.HDUList([primary, table]), path, overwrite)


def read_simulations(path):
    """Read what `write_simulations` wrote.

    Raises
    ------
    PixsedError
        If the file is not a table of simulations.
    """
    from astropy.io import fits

    if not Path(path).is_file():
        raise PixsedError(f"{path}: no such file; make one with 'pixsed simulate'")
    with fits.open(path, memmap=False) as hdus:
        if "SIMS" not in hdus or not hdus["SIMS"].header.get("SIMULATD"):
            raise PixsedError(f"{path} holds no simulations; make some with 'pixsed simulate'")
        header, data = hdus["SIMS"].header, hdus["SIMS"].data
        names = [name for name in data.names if name not in ("UNIT", "FLUX")]
        bands = [header[f"BAND{i}"] for i in range(1, data["FLUX"].shape[1] + 1)]
        return Simulations(
            prior=header["PRIOR"],
            bands=bands,
            columns={name: np.array(data[name], dtype=float) for name in names},
            unit=np.array(data["UNIT"], dtype=float),
            flux=np.array(data["FLUX"], dtype=np.float32),
            meta={key: header[key] for key in (*POPULATION_KEYS, "SEED") if key in header},
        )

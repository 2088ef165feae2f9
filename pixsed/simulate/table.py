"""The file of simulations: a BINTABLE of parameters and noiseless fluxes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError
from pixsed.sps.ssp import POPULATION_KEYS

#: Cards of a table of simulations that `read_simulations` gives, beside the SSP grid's.
RUN_KEYS = ("ATTENUAT", "IGM", "SEED")
#: Those that change the fluxes.
_PHYSICS = (*(key for key in POPULATION_KEYS if key != "FSPSVERS"), "ATTENUAT", "IGM")
_COMMENTS = {
    "SEED": "seed of the random numbers",
    "ATTENUAT": "attenuation law",
    "IGM": "absorption by the intergalactic medium",
    "SSPSHA": "digest of the SSP grid (SHA-256)",
    "BATCH": "rows that share a stream of random numbers",
    "PIXSVER": "version of pixsed that made the rows",
}


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
        What the SSP grid says of itself, and `RUN_KEYS`; of an older file, those it has.
    """

    prior: str
    bands: list
    columns: dict
    unit: np.ndarray
    flux: np.ndarray
    meta: dict

    def __len__(self):
        return len(self.flux)


def physics_differences(meta, other):
    """Return how the physics of two sets of simulations differs, as ``ATTENUAT smc, not calzetti``.

    Parameters
    ----------
    meta, other : dict
        `Simulations.meta`, or "sps" of a model's metadata. What one of them lacks, as an older
        file, is not compared.

    Returns
    -------
    str
        Empty where they agree.
    """
    return ", ".join(
        f"{key} {meta[key]}, not {other[key]}"
        for key in _PHYSICS
        if key in meta and key in other and meta[key] != other[key]
    )


def simulations_writer(
    path,
    dtype,
    n,
    *,
    prior,
    bands,
    meta,
    units,
    block,
    descriptions=None,
    overwrite=False,
    resume=False,
    inputs=(),
):
    """Return the `~pixsed.io.writers.table_blocks.TableWriter` of a table of simulations.

    Parameters
    ----------
    path : path-like
    dtype : `~numpy.dtype`
        Of a row: `pixsed.simulate.batches.row_dtype`.
    n : int
        Rows in all.
    prior : str
    bands : sequence of str
    meta : dict
        Cards of the table's header. A run goes on only where these, the layout, `prior`,
        `bands` and `n` are the same.
    units : dict of str
        Unit of each parameter that has one; those of logarithms go into the descriptions.
    descriptions : dict of str, optional
        Of parameters.
    block : int
        Rows a batch.
    overwrite, resume : bool, optional
    inputs : sequence of path-like, optional
    """
    from astropy.io import fits

    from pixsed.io.provenance import stamp
    from pixsed.io.writers.table_blocks import TableWriter
    from pixsed.io.writers.table_columns import unit_and_comment

    primary = fits.PrimaryHDU().header
    stamp(primary, inputs=inputs)
    table = fits.BinTableHDU(np.empty(0, dtype), name="SIMS").header
    table["NAXIS2"] = (n, "rows")
    for number, name in enumerate(dtype.names, 1):
        unit = {**units, "FLUX": "nJy"}.get(name, "")
        unit, text = unit_and_comment(unit, (descriptions or {}).get(name, ""))
        if unit:
            table[f"TUNIT{number}"] = unit
        if text:
            table[f"TCOMM{number}"] = text
    table["SIMULATD"] = (True, "simulated, not observed")
    table["PRIOR"] = (prior, "prior of the populations")
    for number, band in enumerate(bands, 1):
        table[f"BAND{number}"] = (band, f"FLUX element {number}")
    for key, value in meta.items():
        table[key] = (value, _COMMENTS.get(key, ""))
    return TableWriter(path, primary, table, block=block, overwrite=overwrite, resume=resume)


def read_simulations(path, rows=None):
    """Read a table of simulations.

    Parameters
    ----------
    path : path-like
    rows : int or slice, optional
        The first so many, or which; all by default.

    Returns
    -------
    `Simulations`

    Raises
    ------
    PixsedError
        If the file is not a table of simulations, or not whole.
    """
    from pixsed.io.inputs import check_input
    from pixsed.io.locate import open_fits
    from pixsed.io.writers.table_blocks import part_path

    if not Path(path).is_file():
        part = part_path(path)
        if part.is_file():
            raise PixsedError(
                f"{path} is not finished: {part} is there; go on with 'pixsed simulate --resume'"
            )
    check_input(path, "simulations", "make some with 'pixsed simulate'")
    with open_fits(path) as hdus:
        if "SIMS" not in hdus or not hdus["SIMS"].header.get("SIMULATD"):
            raise PixsedError(f"{path} holds no simulations; make some with 'pixsed simulate'")
        header = hdus["SIMS"].header
        # The rows as they lie in the file: astropy would copy each column by itself.
        raw = hdus["SIMS"].data.view(np.ndarray)
        raw = raw[rows if isinstance(rows, slice) else slice(rows)]
        native = {
            name: np.empty((len(raw), *field.shape), field.base.newbyteorder("="))
            for name, (field, _) in raw.dtype.fields.items()
        }
        # A block at a time, so that every page of the file is passed over once.
        for start in range(0, len(raw), 1 << 14):
            block = slice(start, start + (1 << 14))
            for name, values in native.items():
                values[block] = raw[name][block]
    unit, flux = native.pop("UNIT"), native.pop("FLUX")
    return Simulations(
        prior=header["PRIOR"],
        bands=[header[f"BAND{i}"] for i in range(1, flux.shape[1] + 1)],
        columns=native,
        unit=unit,
        flux=flux,
        meta={key: header[key] for key in (*POPULATION_KEYS, *RUN_KEYS) if key in header},
    )

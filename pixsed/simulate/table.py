"""File of simulations: a BINTABLE of parameters and noiseless fluxes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError
from pixsed.simulate.priors import PRIORS
from pixsed.sps.own_filters import OwnFilter
from pixsed.sps.ssp import POPULATION_KEYS

#: Cards that `read_simulations` returns in addition to those of the SSP grid.
SIMULATION_KEYS = ("ATTENUAT", "IGM", "SEED")
_SSPSHA = "digest of the SSP grid (SHA-256)"
#: Cards of the physics that changes the fluxes.
_PHYSICS = (*(key for key in POPULATION_KEYS if key != "FSPSVERS"), "ATTENUAT", "IGM")


def second(key):
    """Return the keyword of the second SSP grid for a keyword of the first: `LIBRARY2`."""
    return f"{key[:7]}2"


_SECOND = tuple(second(key) for key in POPULATION_KEYS)


def row_dtype(options):
    """Return the layout of a row of simulations, big-endian as in the file.

    Parameters
    ----------
    options : `~pixsed.simulate.options.SimulateOptions`

    Returns
    -------
    `~numpy.dtype`
        One float64 field per column of the prior, then UNIT (float64, one element per
        coordinate) and FLUX (float32, one element per band).
    """
    prior = PRIORS[options.prior]
    columns = [(name, ">f8") for name in prior.columns()]
    vectors = [("UNIT", ">f8", (prior.size(),)), ("FLUX", ">f4", (len(options.bands),))]
    return np.dtype(columns + vectors)


@dataclass
class Simulations:
    """Simulated populations.

    Attributes
    ----------
    prior : str
    bands : list of str
    columns : dict of `~numpy.ndarray`, shape (N,)
        Parameters in physical units.
    unit : `~numpy.ndarray`, shape (N, D)
        Cumulative prior probabilities of the prior's coordinates.
    flux : `~numpy.ndarray`, shape (N, B)
        Noiseless, in nJy.
    meta : dict
        Cards of the SSP grid and `SIMULATION_KEYS`.
    filters : list of `~pixsed.sps.own_filters.OwnFilter`
        Filters of bands that are not in `pixsed.bands`, without their curves.
    """

    prior: str
    bands: list
    columns: dict
    unit: np.ndarray
    flux: np.ndarray
    meta: dict
    filters: list = field(default_factory=list)

    def __len__(self):
        return len(self.flux)

    @property
    def own_depths(self):
        """Nominal depths of `filters`, nJy, as a dict."""
        return {own.name: own.depth for own in self.filters}

    def filter_differences(self, others):
        """Return the own filters that have another curve than in a checkpoint or model, as text.

        Parameters
        ----------
        others : sequence of dict
            "filters" of the checkpoint or of the metadata.

        Returns
        -------
        str
            Empty if none differs.
        """
        own = {one.name: one.digest for one in self.filters}
        changed = [one["name"] for one in others if own.get(one["name"]) != one["sha256"]]
        return ", ".join(f"another curve of {name}" for name in changed if name in own)


def physics_differences(meta, other):
    """Return the differences in physics of two sets of simulations.

    Parameters
    ----------
    meta, other : dict
        `Simulations.meta`, or "sps" of the metadata of a model. Cards that are missing in one of
        them are not compared.

    Returns
    -------
    str
        For example ``ATTENUAT smc, not calzetti``; empty if they agree.
    """
    return ", ".join(
        f"{key} {meta[key]}, not {other[key]}"
        for key in (*_PHYSICS, *_SECOND)
        if key in meta and key in other and meta[key] != other[key]
    )


def simulations_writer(path, options, ssp_cards, *, overwrite=False, resume=False, inputs=()):
    """Return the `~pixsed.io.writers.table_blocks.TableWriter` of a table of simulations.

    Parameters
    ----------
    path : path-like
    options : `~pixsed.simulate.options.SimulateOptions`
    ssp_cards : dict
        Cards of the SSP grids and their digests, as `pixsed.simulate.batches.ssp_cards` returns.
    overwrite, resume : bool, optional
        A table is resumed only if all cards of its header are unchanged, i.e. with the same grid
        and the same values of the options that change the data.
    inputs : sequence of path-like, optional
        Files read, for the header.
    """
    from astropy.io import fits

    from pixsed.io.provenance import stamp
    from pixsed.io.writers.table_blocks import TableWriter

    primary = fits.PrimaryHDU().header
    stamp(primary, inputs=inputs)
    table = _table_header(options, ssp_cards)
    return TableWriter(
        path, primary, table, block=options.batch, overwrite=overwrite, resume=resume
    )


def _table_header(options, ssp_cards):
    from astropy.io import fits

    from pixsed import __version__
    from pixsed.io.writers.table_columns import unit_and_comment

    dtype = row_dtype(options)
    columns = PRIORS[options.prior].columns() | {"FLUX": ("nJy", "")}
    header = fits.BinTableHDU(np.empty(0, dtype), name="SIMS").header
    for number, name in enumerate(dtype.names, 1):
        unit, text = unit_and_comment(*columns.get(name, ("", "")))
        if unit:
            header[f"TUNIT{number}"] = unit
        if text:
            header[f"TCOMM{number}"] = text
    header["SIMULATD"] = (True, "simulated, not observed")
    for keyword, value, comment in options.cards():
        header[keyword] = (value, comment)
    for key, value in ssp_cards.items():
        place, comment = ("BATCH", _SSPSHA) if key.startswith("SSPSHA") else ("ATTENUAT", "")
        header.insert(place, (key, value, comment))
    header["PIXSVER"] = (__version__, "version of pixsed that made the rows")
    return header


def read_simulations(path, rows=None):
    """Read a table of simulations.

    Parameters
    ----------
    path : path-like
    rows : int or slice, optional
        Number of rows to read from the beginning, or a slice; default: all rows.

    Returns
    -------
    `Simulations`

    Raises
    ------
    PixsedError
        If the file is not a table of simulations, has no rows, or is not complete.
    """
    from pixsed.io.inputs import check_input
    from pixsed.io.locate import open_fits
    from pixsed.io.writers.table_blocks import part_path

    if not Path(path).is_file():
        part = part_path(path)
        if part.is_file():
            raise PixsedError(
                f"{path} is not finished: {part} exists; continue with 'pixsed simulate --resume'"
            )
    check_input(path, "simulations", "make some with 'pixsed simulate'")
    with open_fits(path) as hdus:
        if "SIMS" not in hdus or not hdus["SIMS"].header.get("SIMULATD"):
            raise PixsedError(f"{path} holds no simulations; make some with 'pixsed simulate'")
        header = hdus["SIMS"].header
        # Use the raw rows: astropy would copy each column in a pass over the whole file.
        raw = hdus["SIMS"].data.view(np.ndarray)
        if not len(raw):
            raise PixsedError(f"{path} has no rows; make simulations with 'pixsed simulate'")
        raw = raw[rows if isinstance(rows, slice) else slice(rows)]
        native = {
            name: np.empty((len(raw), *field.shape), field.base.newbyteorder("="))
            for name, (field, _) in raw.dtype.fields.items()
        }
        # Copy block by block, so that every page of the file is read only once.
        for start in range(0, len(raw), 1 << 14):
            block = slice(start, start + (1 << 14))
            for name, values in native.items():
                values[block] = raw[name][block]
    _check_columns(native, header["PRIOR"], path)
    unit, flux = native.pop("UNIT"), native.pop("FLUX")
    numbers = range(1, flux.shape[1] + 1)
    own = [OwnFilter.from_header(header, i) for i in numbers]
    return Simulations(
        prior=header["PRIOR"],
        bands=[header[f"BAND{i}"] for i in numbers],
        columns=native,
        unit=unit,
        flux=flux,
        meta={
            key: header[key]
            for key in (*POPULATION_KEYS, *_SECOND, *SIMULATION_KEYS)
            if key in header
        },
        filters=[filter_ for filter_ in own if filter_],
    )


def _check_columns(columns, prior, path):
    """Raise `PixsedError` unless the columns of a prior are there, with numbers of the shapes."""
    if prior not in PRIORS:
        raise PixsedError(
            f"{path}: prior {prior!r} is not one of {', '.join(PRIORS)}; make it with "
            "'pixsed simulate'"
        )
    for name in (*PRIORS[prior].columns(), "UNIT", "FLUX"):
        ndim = 2 if name in ("UNIT", "FLUX") else 1
        column = columns.get(name)
        if column is None or column.ndim != ndim or column.dtype.kind not in "fiu":
            found = "no column"
            if column is not None:
                found = f"a column of shape {column.shape}, {column.dtype}"
            raise PixsedError(
                f"{path}: column {name} must have numbers of {ndim} dimensions, got {found}; "
                "make it with 'pixsed simulate'"
            )

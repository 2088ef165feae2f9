"""Put tables of fits or of masses together."""

from astropy.table import vstack

from pixsed.errors import PixsedError
from pixsed.infer.photometry import read_table, write_table
from pixsed.io.kinds import is_fits
from pixsed.io.locate import open_fits

# Cards of what must be the same, and is kept.
_SAME = ("MODEL", "MODELSHA", "ENGINE", "SEED", "NSAMP", "SNRMIN", "ERRFLOOR", "IMF", "SPSLIB",
         "CRCOSMO")  # fmt: skip


def merge_tables(paths, output, *, overwrite=False):
    """Write the rows of several tables into one.

    Parameters
    ----------
    paths : sequence of str
        Of ``pixsed fit`` or ``pixsed sum-mass``.
    output : path-like
        As of `pixsed.infer.photometry.write_table`.
    overwrite : bool, optional

    Returns
    -------
    int
        Rows.

    Raises
    ------
    PixsedError
        If they differ in their columns, units, model or options.
    """
    tables, cards, name = [], None, "PIXSED"
    for path in paths:
        table = read_table(path)
        found = _cards(path, table)
        if cards is None:
            cards = found
            if is_fits(path):
                with open_fits(path) as hdulist:
                    name = hdulist[1].name or name
        first = tables[0] if tables else table
        if table.colnames != first.colnames:
            raise PixsedError(f"{path} has other columns than {paths[0]}; merge tables of one kind")
        for column in table.colnames:
            if table[column].unit != first[column].unit:
                raise PixsedError(f"{path}: {column} has another unit than in {paths[0]}")
        for key in dict.fromkeys([*cards, *found]):
            if cards.get(key) != found.get(key):
                raise PixsedError(
                    f"{path} was made with {key} = {found.get(key, 'none')}, {paths[0]} with "
                    f"{cards.get(key, 'none')}; merge tables of one run"
                )
        tables.append(table)
    whole = vstack(tables, metadata_conflicts="silent")
    write_table(whole, output, overwrite=overwrite, inputs=paths, name=name,
                history=[f"merge: {len(paths)} tables"], **cards)  # fmt: skip
    return len(whole)


def _cards(path, table):
    header = table.meta
    if is_fits(path):
        with open_fits(path) as hdulist:
            header = dict(hdulist[0].header)
    return {key: value for key, value in header.items()
            if key in _SAME or key.startswith(("FLAGBIT", "DQBIT"))}  # fmt: skip

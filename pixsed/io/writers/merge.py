"""Join parts of maps, or tables."""

from pixsed.io.formats.kinds import is_maps
from pixsed.io.outputs import check_fits_output, check_output
from pixsed.io.writers.merge_maps import merge_maps
from pixsed.io.writers.merge_tables import merge_tables
from pixsed.io.writers.tables import check_table_output


def merge(paths, output, *, overwrite=False):
    """Join parts of maps, or tables; the kind of the first file decides which.

    Parameters
    ----------
    paths : sequence of str
    output : path-like
        ``"-"`` is standard output.
    overwrite : bool, optional
        Replace `output` if it exists.

    Returns
    -------
    str
        Summary, as ``maps.fits: 3 parts, 100 x 200 pixels``.

    Raises
    ------
    PixsedError
        If the files do not belong together, or `output` cannot be written.
    """
    check_output(output, overwrite)
    if is_maps(paths[0]):
        check_fits_output(output, overwrite)
        ny, nx = merge_maps(paths, output, overwrite=overwrite)
        return f"{output}: {len(paths)} parts, {nx} x {ny} pixels"
    check_table_output(output, overwrite)
    number = merge_tables(paths, output, overwrite=overwrite)
    return f"{output}: {len(paths)} tables, {number} rows"

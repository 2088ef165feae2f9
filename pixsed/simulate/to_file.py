"""Simulate populations into a table, batch by batch."""

from contextlib import closing

from pixsed.io.writers.table_blocks import check_blocks_output
from pixsed.simulate.batches import grids_of, simulate, ssp_cards
from pixsed.simulate.table import simulations_writer
from pixsed.sps.own_filters import load_curves
from pixsed.sps.ssp import read_ssp


def write_simulations(ssp_paths, path, options, *, overwrite=False, resume=False, report=None):
    """Simulate populations and write them to a table, batch by batch.

    Until the table is complete it is ``NAME.part``.

    Parameters
    ----------
    ssp_paths : sequence of path-like
        SSP grids, as `pixsed.sps.ssp.write_ssp` writes them; two for the prior broad.
    path : path-like
    options : `~pixsed.simulate.options.SimulateOptions`
    overwrite : bool, optional
        Replace `path`, or ``NAME.part``, if it exists.
    resume : bool, optional
        Go on with ``NAME.part`` if it exists.
    report : callable, optional
        Called with the number of rows written so far: before the first batch, then after each.

    Raises
    ------
    PixsedError
        If an input is missing, the file exists, or ``NAME.part`` holds other simulations.
    """
    check_blocks_output(path, overwrite=overwrite, resume=resume)
    load_curves(options.bands, options.filters)  # raise an error now if a band has none
    ssps = grids_of([read_ssp(one) for one in ssp_paths], options)
    inputs = [*ssp_paths, *(own.path for own in options.filters if own.path)]
    writer = simulations_writer(
        path, options, ssp_cards(ssps), overwrite=overwrite, resume=resume, inputs=inputs
    )
    report = report or (lambda done: None)
    with writer, closing(simulate(ssps, options, start=writer.done)) as batches:
        report(writer.done)
        for rows in batches:
            writer.append(rows)
            report(writer.done)

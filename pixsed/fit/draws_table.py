"""Tables of posterior draws and of what is derived from them."""

import numpy as np
from astropy import units as u
from astropy.table import Table, vstack

from pixsed.fit.record import model_cards
from pixsed.fit.select_draws import common_properties
from pixsed.io.locate import parse_location
from pixsed.io.writers.tables import write_table
from pixsed.properties import unit_and_description


def draws_table(posteriors, model, properties=()):
    """Return posterior draws as a table, one row per draw.

    Parameters
    ----------
    posteriors : list of `~pixsed.fit.select_draws.Posterior`
    model : `~pixsed.fit.model.Model`
    properties : sequence of str, optional
        Columns; by default every property that all posteriors have.

    Returns
    -------
    `~astropy.table.Table`
        PLACE (the label of the posterior) and the properties, float32.

    Raises
    ------
    PixsedError
        If a posterior lacks a property.
    """
    names = common_properties(posteriors, properties)
    parts = []
    for one in posteriors:
        part = Table({"PLACE": np.full(len(one.samples["LOGMSTAR"]), one.label)})
        for name in names:
            unit, text = unit_and_description(name, model)
            part[name] = one.samples[name]
            part[name].unit = u.Unit(unit) if unit else None
            part[name].description = text
        parts.append(part)
    return vstack(parts)


def write_draws(table, path, model, options, step, *, inputs=(), overwrite=False):
    """Write a table made from draws, with a record of the model and the options.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
    step : str
        Name of the command, for HISTORY and EXTNAME.
    inputs : sequence of str, optional
        Files read.
    overwrite : bool, optional
        Replace the file if it exists.
    """
    write_table(
        table,
        path,
        overwrite=overwrite,
        name=step.upper(),
        inputs=[parse_location(str(name)).path for name in inputs],
        history=[f"{step}: {options.samples} draws each"],
        **model_cards(model, options),
    )

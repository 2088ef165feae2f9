"""Curves of filters of a user's own, for simulations that were read from a file."""

from dataclasses import replace

from pixsed.errors import PixsedError


def add_curves(simulations, filters):
    """Add filter curves to simulations, whose file has only digests of them, in place.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    filters : sequence of `~pixsed.sps.own_filters.OwnFilter`
        Filters with their curves.

    Raises
    ------
    PixsedError
        If the simulations have no such filter, or were made with another curve.
    """
    own = {one.name: i for i, one in enumerate(simulations.filters)}
    for given in filters:
        if given.name not in own:
            raise PixsedError(
                f"--filter {given.name}: the simulations have no such filter of a user's own; "
                "give only those of 'pixsed simulate --filter'"
            )
        known = simulations.filters[own[given.name]]
        if known.digest != given.digest:
            raise PixsedError(
                f"--filter {given.name}: the curve must be that of the simulations "
                f"({known.source}), got another one; give the same file"
            )
        simulations.filters[own[given.name]] = replace(known, curve=given.curve, path=given.path)

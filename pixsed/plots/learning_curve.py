"""Learning curves of a training, as a table or a picture."""

from pathlib import Path

import numpy as np

from pixsed.plots.figure import new_figure


def curve_table(histories):
    """Return the learning curves of networks as a table.

    Parameters
    ----------
    histories : list of list of dict
        For each network, one dict per epoch, as `pixsed.train.train.train` reports it.

    Returns
    -------
    `~astropy.table.Table`
        One row per epoch: NETWORK (from 1), EPOCH, STAGE (1 = the encoder alone, 2 = the flow too),
        TRAIN and HELD_OUT (mean loss), DENSITY (mean negative log density of the coordinates, NaN
        in stage 1), QUANTILES (mean pinball loss), SECONDS.
    """
    from astropy.table import Table

    rows = []
    for number, history in enumerate(histories, 1):
        for row in history:
            flow = row["by_coordinate"]
            rows.append(
                (
                    number,
                    row["epoch"],
                    2 if flow else 1,
                    row["train"],
                    row["held_out"],
                    sum(flow) if flow else np.nan,
                    sum(row["quantiles"]),
                    row["seconds"],
                )
            )
    names = "NETWORK EPOCH STAGE TRAIN HELD_OUT DENSITY QUANTILES SECONDS".split()
    table = Table(rows=rows, names=names)
    table["SECONDS"].unit = "s"
    return table


def write_curve(histories, path, *, overwrite=False):
    """Write learning curves: a table for .ecsv, .fits and .csv, else a picture.

    Parameters
    ----------
    histories : list of list of dict
        As for `curve_table`.
    path : path-like
    overwrite : bool, optional
        Replace the file if it exists.
    """
    from pixsed.io.atomic import atomic_path

    table = curve_table(histories)
    with atomic_path(path, overwrite) as temporary:
        kind = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}.get(
            Path(path).suffix.lower()
        )
        if kind:
            table.write(temporary, format=kind, overwrite=True)
        else:
            _draw(table, temporary)


def _draw(table, path):
    figure = new_figure(figsize=(7, 5))
    above, below = figure.subplots(2, 1, sharex=True)
    for number in np.unique(table["NETWORK"]):
        rows = table[table["NETWORK"] == number]
        above.plot(rows["EPOCH"], rows["QUANTILES"], "o-", ms=3, label=f"network {number}")
        below.plot(rows["EPOCH"], rows["DENSITY"], "o-", ms=3)
    stage = table["EPOCH"][table["STAGE"] == 2]
    if len(stage):
        for axes in (above, below):
            axes.axvline(stage.min() - 0.5, color="0.6", lw=1)
    above.set_ylabel("pinball loss, held out")
    below.set_ylabel("-ln density, held out")
    below.set_xlabel("epoch")
    above.legend(frameon=False)
    figure.savefig(path, dpi=150, format=Path(path).suffix[1:].lower() or "png")

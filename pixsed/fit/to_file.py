"""Fit an image on disk into a Maps file: tiles are read, fitted and written, one by one."""

from collections import Counter

import numpy as np

from pixsed.dq import DQ, count_reasons
from pixsed.fit.tiles import tile_size, tiles
from pixsed.io.formats.cube import binning_cards
from pixsed.io.formats.maps import maps_layout
from pixsed.io.headers import shifted_header
from pixsed.io.writers.maps import MapsWriter
from pixsed.parallel import run_tasks
from pixsed.properties import unit_and_description


def fit_tile(fitter, where):
    """Return what `TileFitter.fit` does: the task of a worker."""
    return fitter.fit(where)


def part_rows(ny, part):
    """Return the slice of rows of part (I, N) of an image: I from 1."""
    number, of = part
    return slice(ny * (number - 1) // of, ny * number // of)


def fit_to_file(
    fitter,
    path,
    *,
    key,
    cards,
    how,
    tile=None,
    part=None,
    setup=None,
    scheduler=None,
    inputs=(),
    command=None,
    overwrite=False,
    resume=False,
    progress=None,
    skipped=None,
):
    """Fit an image into a Maps file.

    Parameters
    ----------
    fitter : `~pixsed.fit.tiles.TileFitter`
    path : path-like
        ``"-"`` is standard output.
    key : dict
        What the data depend on; see `~pixsed.io.writers.maps.MapsWriter`.
    cards : dict
        Of PRIMARY; NFIT, NBINS and those of a part are added.
    how : str
        What ends the HISTORY line, as ``"500 draws each"``.
    tile : tuple of int, optional
        (ny, nx) of the tiles; no result depends on it. A binned image is one tile.
    part : tuple of int, optional
        (I, N): fit the I-th of N stripes of rows alone.
    setup : callable, optional
        Makes the fitter of a worker; see `pixsed.parallel.run_tasks`.
    scheduler : str, optional
        Address of a Dask scheduler.
    inputs : sequence of path-like, optional
    command : str, optional
        The command line, in place of this process's.
    overwrite, resume : bool, optional
    progress, skipped : callable, optional
        Called with the number of pixels done by workers; see `TileFitter`.

    Returns
    -------
    dict of str to int
        ``npix`` pixels fitted, ``nfit`` calls of the model, ``nscored`` pixels with an OOD,
        ``nood`` of those out of distribution, ``ninside`` pixels that might have been fitted;
        by the names of `pixsed.dq.count_reasons` those that were not; and, as ``"F115W:1"``,
        values taken as missing, of `pixsed.nodata.count_codes`.
    """
    source = fitter.source
    binned = source.binning is not None
    size = source.shape if binned else tile or tile_size(source.shape)
    rows, header, cards = slice(0, source.shape[0]), source.header, dict(cards)
    if part is not None:
        rows = part_rows(source.shape[0], part)
        header = shifted_header(header, 0, rows.start)
        cards["PART"] = (f"{part[0]}/{part[1]}", "stripe of rows; see pixsed merge")
        cards["PARTROW"] = (rows.start, "rows of the image before this part's")
        cards["PARTNY"] = (source.shape[0], "rows of the image")
    cards["NFIT"] = (0, "pixels fitted")
    if binned:
        cards |= binning_cards(source.binning)
        cards["NBINS"] = (0, "bins fitted, each on its summed flux")
    layout = maps_layout(
        fitter.properties,
        fitter.quantiles,
        header=header,
        binned=binned,
        has_ood=fitter.has_ood,
        units={name: unit_and_description(name, fitter.model) for name in fitter.properties},
        cards=cards,
        inputs=inputs,
        command=command,
        history=[_history({}, binned, how)],
    )
    shape = rows.stop - rows.start, source.shape[1]
    key = key | {"tile": list(size), "part": part and list(part)}
    with MapsWriter(path, layout, shape, key, overwrite=overwrite, resume=resume) as writer:
        counts = Counter(dict.fromkeys(("npix", "nfit", "nscored", "nood", "ninside"), 0))
        counts.update(writer.counts)
        todo = [
            (slice(y.start + rows.start, y.stop + rows.start), x) for y, x in tiles(shape, size)
        ]
        todo = todo[writer.done :]
        if skipped is not None:
            skipped(counts["ninside"])
        results = run_tasks(
            fit_tile,
            todo,
            setup=(lambda: fitter) if scheduler is None else setup,
            scheduler=scheduler,
        )
        for (y, x), found in zip(todo, results, strict=True):
            for name in fitter.names:
                writer.place(name, found.plane(name), y.start - rows.start, x.start)
            more = _counts(found)
            counts.update(more)
            writer.commit(counts)
            if scheduler is not None and progress is not None:
                progress(found.nfit)
                skipped(more["ninside"] - found.nfit)
        writer.primary["NFIT"] = counts["npix"]
        if binned:
            writer.primary["NBINS"] = counts["nfit"]
        line = _history(counts, binned, how)
        writer.primary["HISTORY"][-1] = line
    return dict(counts)


def _counts(found):
    """Return what `fit_to_file` counts of one tile."""
    dq = found.planes["DQ"]
    scored = np.isfinite(found.values.get("OOD", np.zeros(0)))
    return {
        "npix": len(found.y),
        "nfit": found.nfit,
        "nscored": int(scored.sum()),
        "nood": int((dq & DQ.OUT_OF_DISTRIBUTION > 0).sum()),
        "ninside": int((dq & DQ.OUTSIDE == 0).sum()),
        **count_reasons(dq),
        **found.codes,
    }


def fitted_text(counts, binned):
    """Return ``193 pixels``, or of a binned cube ``193 pixels in 15 bins``."""
    bins = f" in {counts.get('nfit', 0)} bins" if binned else ""
    return f"{counts.get('npix', 0)} pixels{bins}"


def _history(counts, binned, how):
    return f"fit: {fitted_text(counts, binned)}, {how}"

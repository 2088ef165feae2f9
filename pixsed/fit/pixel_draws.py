"""Draws of the pixels of a galaxy, batch by batch, all at the same redshifts."""

import numpy as np

from pixsed.fit.draws import global_indices
from pixsed.fit.posterior import BATCH, run_batches


def pixel_draws(cube, model, selection, samples, *, normals, redshifts, use, jobs=1, progress=None):
    """Yield what a function makes of the draws of the fitted pixels, batch by batch.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
        N fitted pixels or bins.
    samples : int
        Number of draws, S.
    normals : object
        From `pixsed.fit.galaxy_normals.galaxy_normals`.
    redshifts : sequence of (float, slice)
        From `divide_draws`; common to all pixels.
    use : callable
        Takes the n rows of a batch, shape (n,); a list of (redshift, slice of draws, draws of
        shape (n, draws, P)); and the OOD of the rows at the median redshift, shape (n,), or None
        if none of the draws has it. It runs on the threads.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        Called with the number of pixels done.

    Yields
    ------
    result
        The return value of `use`.
    """
    y, x = np.nonzero(selection.fitted)
    row_key, column_key = global_indices(cube.header, cube.shape)
    keys = row_key[y], column_key[x]
    middle = redshifts[len(redshifts) // 2][1].start
    exact = np.zeros(BATCH)
    for where, base in normals.parts(y, x):
        inside = [(z, _overlap(part, where)) for z, part in redshifts]
        inside = [(z, part) for z, part in inside if part.stop > part.start]

        def draw_batch(rows, keep, base=base, start=where.start, inside=inside):
            flux, err = selection.photometry(model, y[rows], x[rows])
            mine, found, ood = base(rows), [], None
            for z, part in inside:
                local = slice(part.start - start, part.stop - start)
                draws, predicted = model.sample(flux, err, exact + z, exact, mine[:, local])
                found.append((z, part, draws[keep]))
                if part.start <= middle < part.stop:  # the median redshift
                    ood = model.score(flux, err, predicted, exact, exact)[1][keep]
            return use(rows[keep], found, ood)

        # Each pixel is reported once, with its last draws.
        report = progress if where.stop == samples else None
        for _, result in run_batches(draw_batch, *keys, jobs, report):
            yield result


def divide_draws(samples, redshifts):
    """Divide the draws among the redshifts; return a list of (redshift, slice of draws)."""
    ends = np.linspace(0, samples, len(redshifts) + 1).round().astype(int)
    return [
        (z, slice(a, b)) for z, a, b in zip(redshifts, ends[:-1], ends[1:], strict=True) if b > a
    ]


def _overlap(one, other):
    """Return the part of a slice of draws that lies in another slice."""
    return slice(max(one.start, other.start), min(one.stop, other.stop))

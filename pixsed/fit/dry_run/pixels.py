"""Pixels of a source that a fit would fit: bands, redshifts, counts, and a random sample."""

import math
import time
from collections import Counter
from dataclasses import dataclass, field, fields

import numpy as np

from pixsed.dq import DQ, MIN_BANDS, count_reasons, reasons_text
from pixsed.errors import listed
from pixsed.fit.draws import global_indices
from pixsed.fit.posterior import Rows, plan_batches
from pixsed.fit.select import match_bands, select_pixels
from pixsed.fit.tiles import plane_names, tile_size, tiles
from pixsed.fit.to_file import warn_of_fit
from pixsed.io.formats.maps import QUALITY
from pixsed.models import redshift_advice
from pixsed.redshifts import check_redshift, range_text

#: Pixels of an image that are read at most; the numbers of the others are estimated.
MOST_PIXELS = 8_000_000
# Relative difference of pivot wavelengths up to which two bands of one name are the same filter.
_SAME_PIVOT = 0.02


@dataclass
class Work:
    """Work of a fit, known from its inputs.

    Attributes
    ----------
    pixels : int
        Number of pixels, or rows of tables, that are fitted.
    batches : int
        Number of calls of the network.
    planes : int
        Number of planes of the maps times their pixels.
    read_seconds : float
        Time to open the inputs, and to read and select the pixels.
    tile_planes : int
        The same as `planes` for one tile, which is in memory.
    """

    pixels: int = 0
    batches: int = 0
    planes: int = 0
    read_seconds: float = 0.0
    tile_planes: int = 0

    def add(self, other):
        """Add the work of another input."""
        self.tile_planes = max(self.tile_planes, other.tile_planes)
        for name in ("pixels", "batches", "planes", "read_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Counted:
    """Counts of the tiles of a source that were read.

    Attributes
    ----------
    counts : `collections.Counter`
        Names of `pixsed.fit.tiles.fit_tiles`.
    with_data : `~numpy.ndarray`, shape (B,), int
        Number of pixels inside with data, by band.
    batches : int
    galaxies : `collections.Counter`
        Segment -> number of pixels to fit; 0 for segments without any.
    rows : `~pixsed.fit.posterior.Rows` or None
        Random sample of the pixels to fit.
    """

    counts: Counter = field(default_factory=Counter)
    with_data: np.ndarray | int = 0
    batches: int = 0
    galaxies: Counter = field(default_factory=Counter)
    rows: Rows | None = None


def check_bands(found, bands, pivots, model, name):
    """Check the bands of an image or a table against those of a model.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    bands : sequence of str
    pivots : dict of str to float
        Band -> pivot wavelength in micron by the headers; NaN = not known.
    model : `~pixsed.fit.model.Model`
    name : str
        File name, for messages.

    Returns
    -------
    tuple of `~numpy.ndarray` or None
        Those of `pixsed.fit.select.match_bands`; None if nothing can be fitted.
    """
    matched = None
    with found.stage("bands"):
        matched = match_bands(bands, model, name)
    if matched is None:
        return None
    known = [bands[i] for i in matched[0]]
    own = [f["name"] for f in model.metadata.get("filters", []) if f["name"] in known]
    text = f"{len(known)} of the {len(model.bands)} bands of model {model.name}: {listed(known)}"
    if own:
        text += f"; filters of the model's own: {', '.join(own)}"
    if len(known) < MIN_BANDS:
        found.problem(
            "bands", f"{text}: a pixel needs {MIN_BANDS}", "add bands, or give another --model"
        )
        return None
    found.ok("bands", text)
    for band, column in zip(known, matched[1], strict=True):
        there, here = model.pivots[column], pivots.get(band, math.nan)
        if abs(there - here) > _SAME_PIVOT * there:  # false if one is NaN
            found.problem(
                "bands",
                f"{name}: the pivot wavelength of {band} is {here:.4g} micron, that of model "
                f"{model.name} {there:.4g}: it is another filter",
                "rename the band, or give a model that was trained on its filter",
            )
    return matched


def check_single_redshift(found, source, model):
    """Check the redshift of a source that has one; return whether it can be fitted."""
    if model.infers_redshift:
        found.ok("redshift", f"inferred by model {model.name}")
        return True
    if source.redshift is None:
        return True
    with found.stage("redshift") as stage:
        advice = redshift_advice(", or use ")
        check_redshift(source.redshift, source.redshift_err, model, source.name, advice)
    if stage.passed:
        error = f" +- {source.redshift_err:g}" if source.redshift_err else ""
        found.ok("redshift", f"{source.redshift:g}{error}, in {range_text(model)}")
    return stage.passed


def check_source(found, source, model, options, *, tile=None, sample=500, segmap=None):
    """Check the bands, the redshift and the pixels of an open source.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    source : `~pixsed.io.formats.source.PixelSource`
    model : `~pixsed.fit.model.Model`
    options : `~pixsed.fit.options.FitOptions`
        The fields samples and snr_min must be numbers.
    tile : tuple of int, optional
        (ny, nx) of the tiles.
    sample : int, optional
        Number of pixels of the sample.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Galaxies whose pixels are counted.

    Returns
    -------
    work : `Work` or None
    rows : `~pixsed.fit.posterior.Rows` or None
        A random sample of the pixels to fit. Both are None if nothing can be fitted.
    """
    matched = check_bands(found, source.bands, _pivots(source), model, source.name)
    redshift = check_single_redshift(found, source, model)
    planes = None
    with found.stage("engine"):
        planes = plane_names(source, model, options)[1]
    if matched is None or not redshift or planes is None:
        return None, None
    binned = source.binning is not None
    size = source.shape if binned else tile or tile_size(source.shape)
    where = list(tiles(source.shape, size))
    read, fraction = _chosen_tiles(where, source.shape, size, options.seed)
    start, counted = time.monotonic(), None
    with found.stage("pixels"):
        counted = _count(source, model, matched, options, read, sample, segmap)
        warn_of_fit(counted.counts, source, model)
    if counted is None:
        return None, None
    seconds = (time.monotonic() - start) / fraction
    _report_pixels(found, source, counted, options, fraction)
    _report_bands_without_data(found, [source.bands[i] for i in matched[0]], counted)
    number = len(planes) + len(QUALITY)
    work = Work(
        pixels=round(counted.counts["npix"] / fraction),
        batches=math.ceil(counted.batches / fraction),
        planes=number * source.shape[0] * source.shape[1],
        read_seconds=seconds,
        tile_planes=number * min(size[0] * size[1], source.shape[0] * source.shape[1]),
    )
    return (work, counted.rows) if counted.rows is not None else (None, None)


def _pivots(source):
    """Return the pivot wavelengths by band, where the source knows them."""
    table = getattr(source, "table", None)
    if table is not None:
        return dict(zip(source.bands, np.asarray(table["pivot_um"], dtype=float), strict=True))
    return getattr(source, "pivots", {})


def _chosen_tiles(where, shape, size, seed):
    """Return the tiles to read, all or a random choice, and their fraction of the image."""
    most = max(1, MOST_PIXELS // (size[0] * size[1]))
    if len(where) <= most:
        return where, 1.0
    chosen = np.random.default_rng(seed).choice(len(where), most, replace=False)
    read = [where[i] for i in sorted(chosen)]
    pixels = sum((y.stop - y.start) * (x.stop - x.start) for y, x in read)
    return read, pixels / (shape[0] * shape[1])


def _count(source, model, matched, options, where, number, segmap):
    """Return the `Counted` of some tiles."""
    rng, result = np.random.default_rng(options.seed), Counted()
    key_y, key_x = global_indices(source.header, source.shape)
    order, parts = np.zeros(0), []
    for tile in where:
        pixels = source.read(*tile)
        selection = select_pixels(source, pixels, model, matched, options)
        y, x = np.nonzero(selection.fitted)
        found = count_reasons(selection.dq) | selection.codes
        inside = (selection.dq & DQ.OUTSIDE) == 0
        found |= {"nfit": len(y), "npix": int(selection.chosen.sum()), "ninside": int(inside.sum())}
        result.counts.update(found)
        result.with_data = result.with_data + np.isfinite(selection.flux[:, inside]).sum(axis=1)
        keys = key_y[tile[0]][y], key_x[tile[1]][x]
        result.batches += len(plan_batches(*keys)) if len(y) else 0
        if segmap is not None:
            _count_galaxies(result.galaxies, segmap.read(*tile), inside, selection.chosen)
        # The sample: pixels with the smallest of random numbers.
        draw = rng.random(len(y))
        best = np.sort(np.argsort(draw)[:number])
        y, x = y[best], x[best]
        rows = Rows(
            *selection.photometry(model, y, x),
            *selection.redshifts(y, x),
            key_y[tile[0]][y],
            key_x[tile[1]][x],
            selection.npix(y, x),
        )
        parts.append(rows)
        order = np.concatenate([order, draw[best]])
        if len(order) > number:
            kept = np.sort(np.argsort(order)[:number])
            parts, order = [joined(parts)[kept]], order[kept]
    result.rows = joined(parts) if len(order) else None
    return result


def joined(parts):
    """Return several `~pixsed.fit.posterior.Rows` as one."""
    values = {}
    for item in fields(Rows):
        columns = [getattr(part, item.name) for part in parts]
        values[item.name] = None if columns[0] is None else np.concatenate(columns)
    return Rows(**values)


def _count_galaxies(galaxies, segments, inside, chosen):
    numbers, index = np.unique(segments[inside & (segments > 0)], return_inverse=True)
    fitted = np.bincount(index, chosen[inside & (segments > 0)], minlength=len(numbers))
    galaxies.update(dict(zip(numbers.tolist(), fitted.astype(int).tolist(), strict=True)))


def _report_pixels(found, source, counted, options, fraction):
    """Add the number of pixels to fit, and the reasons why others are not fitted."""
    counts = counted.counts
    about = "" if fraction == 1 else f"of {fraction:.1%} of the image that was read, "
    text = f"{about}{counts['npix']:,} of {counts['ninside']:,} pixels to fit"
    if source.binning is not None:
        text += f", in {counts['nfit']} bins"
    if reasons := reasons_text(counts):
        text += f"; not fitted: {reasons}"
    if not counts["ninside"]:
        found.warning("pixels", "no pixel is in a segment", "try --all-pixels")
    elif counts["npix"]:
        found.ok("pixels", text)
    else:
        low = counts.get("low_snr")
        mend = f"the cut is {options.snr_min:g}: try a lower --snr-min" if low else ""
        found.warning("pixels", text, mend)
    if counted.galaxies and fraction == 1:
        _report_galaxies(found, counted.galaxies)


def _report_galaxies(found, galaxies):
    without = sorted(number for number, pixels in galaxies.items() if not pixels)
    text = f"{len(galaxies) - len(without)} of {len(galaxies)} galaxies have pixels to fit"
    if without:
        text += f"; none has id {listed(without, 5)}"
    if 2 * len(without) > len(galaxies):
        mend = "try a lower --snr-min, and look at their redshifts and bands"
        found.warning("galaxies", text, mend)
    else:
        found.ok("galaxies", text)


def _report_bands_without_data(found, bands, counted):
    if not counted.counts["ninside"]:
        return
    empty = [band for band, n in zip(bands, counted.with_data, strict=True) if not n]
    if empty:
        found.warning(
            "bands",
            f"no pixel of the segments has data in {', '.join(empty)}",
            "leave the band out, or look at its errors and at the area it covers",
        )

"""Galaxies to cut out: by position, by DS9 regions, or by segments of a segmentation map."""

import math
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError
from pixsed.images.catalog import check_redshifts, read_redshifts
from pixsed.images.regions import read_regions
from pixsed.redshifts import check_redshift, redshift_dq

#: Images up to this side in pixels are treated as cutouts of one galaxy, and kept whole.
SMALL_IMAGE = 200
# Pixels around a segment or region.
_PAD = 10


@dataclass(frozen=True)
class Target:
    """Name, redshift (NaN = unknown) and 1-sigma redshift error of a galaxy to cut out."""

    name: str
    redshift: float
    redshift_err: float = 0.0


@dataclass(frozen=True)
class Job:
    """Cube to cut out.

    Attributes
    ----------
    target : `Target`
    box : tuple of int
        (y0, y1, x0, x1) on the first image's grid, ends excluded.
    segmap : `~numpy.ndarray` or None
        Segmentation map of the box, in place of the mosaics' own.
    """

    target: Target
    box: tuple
    segmap: np.ndarray | None = None


def find_jobs(mosaics, options):
    """Return the list of `Job` that the options select.

    Parameters
    ----------
    mosaics : `~pixsed.images.mosaics.Mosaics`
    options : `~pixsed.images.cutout.CutoutOptions`

    Raises
    ------
    PixsedError
        If a galaxy is not on the image or has no usable redshift.
    """
    redshift_of = _redshift_lookup(options)
    if options.position is not None:
        return [_job_at_position(mosaics, options, redshift_of)]
    if options.region is not None:
        return _jobs_of_regions(mosaics, options, redshift_of)
    return _jobs_of_segments(mosaics, options, redshift_of)


def _redshift_lookup(options):
    """Return a function of an id that gives (redshift, error); NaN and 0 if it has none."""
    if options.no_redshift:
        return lambda number: (math.nan, 0.0)
    if options.catalog is None:
        pair = options.redshift, options.redshift_err or 0.0
        check_redshift(*pair, None, "--redshift")
        return lambda number: pair
    table = read_redshifts(
        options.catalog, id_col=options.id_col, z_col=options.z_col, zerr_col=options.zerr_col
    )

    def redshift_of(number):
        pair = table.get(number, (float("nan"), 0.0))
        if pair is None:
            raise PixsedError(f"{options.catalog}: id {number} comes twice; keep one row of it")
        return pair

    return redshift_of


def _unusable(pair, options):
    """Return whether a redshift that should be known cannot be fitted."""
    return not options.no_redshift and bool(redshift_dq(*pair))


def _job_at_position(mosaics, options, redshift_of):
    from astropy.coordinates import SkyCoord

    ra, dec = options.position_degrees
    if options.ids:
        name = str(options.ids[0])
    else:
        sky = SkyCoord(ra, dec, unit="deg")
        hours = sky.ra.to_string("hour", sep="", precision=2, pad=True)
        degrees = sky.dec.to_string("deg", sep="", precision=1, pad=True, alwayssign=True)
        name = f"J{hours}{degrees}"
    target = Target(name, *redshift_of(name))
    return Job(target, mosaics.box_at(ra, dec, options.size_arcsec))


def _jobs_of_regions(mosaics, options, redshift_of):
    jobs = []
    for region in read_regions(options.region, mosaics.wcs):
        pair = redshift_of(region.number)
        if _unusable(pair, options):
            raise PixsedError(
                f"{options.catalog} has no redshift of region {region.number}, or one with a bad "
                "error; mend it, or give --redshift"
            )
        if not mosaics.overlaps(region.box):
            raise PixsedError(
                f"{options.region}: region {region.number} is not on {mosaics.images[0].name}; "
                "remove it"
            )
        box = _padded(mosaics, region.box, options.pad, keep_small=False)
        jobs.append(Job(Target(str(region.number), *pair), box, region.segmap(box)))
    return jobs


def _jobs_of_segments(mosaics, options, redshift_of):
    """Return the `Job` of each galaxy requested or, for all, of each with a usable redshift."""
    segmap, ids, catalog = mosaics.segmap, options.ids, options.catalog
    boxes = segmap.boxes(ids or None)
    numbers = list(ids) or sorted(boxes)
    for number in numbers:
        if number not in boxes:
            raise PixsedError(
                f"id {number} is not in {segmap.name}; is it the map's own numbering?"
            )
    pairs = [redshift_of(number) for number in numbers]
    for number, pair in zip(ids, pairs, strict=False):  # without ids, all that are usable
        if _unusable(pair, options):
            raise PixsedError(
                f"{catalog} has no redshift of id {number}, or one with a bad error; mend it, "
                "or give --redshift"
            )
    usable = [True] * len(numbers)
    if catalog is not None:
        usable = check_redshifts(numbers, pairs, segmap.name, catalog)
    one = len(ids) == 1
    return [
        Job(
            Target(str(number), *pair),
            _padded(mosaics, boxes[number], options.pad, keep_small=one),
        )
        for number, pair, use in zip(numbers, pairs, usable, strict=True)
        if use
    ]


def _padded(mosaics, box, pad, *, keep_small):
    """Return the box to cut; with `keep_small`, all of an image of `SMALL_IMAGE` by default."""
    ny, nx = mosaics.shape
    if pad == "full" or (pad is None and keep_small and max(ny, nx) <= SMALL_IMAGE):
        return 0, ny, 0, nx
    return mosaics.box_around(box, _PAD if pad is None else pad)

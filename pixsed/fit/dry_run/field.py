"""Dry run of a fit of the mosaics of a field."""

import contextlib
import math
import time

import numpy as np

from pixsed.errors import listed
from pixsed.fit.dry_run.errors import check_depth, check_training_noise
from pixsed.fit.dry_run.pixels import Work, check_source
from pixsed.fit.dry_run.psfs import check_cards, check_files
from pixsed.fit.dry_run.sample import check_ood, fit_sample
from pixsed.images.mosaics import Mosaics
from pixsed.images.segmap import open_segmap
from pixsed.io.formats.psfmatch import psfs_of_images
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.image import ImageFile
from pixsed.redshifts import range_text, redshift_dq

_SAMPLE = 500
_SOURCES = {
    "err": "1-sigma errors",
    "variance": "variances",
    "weight": "inverse variances",
    "sky": "the rms of the sky, without the noise of sources",
}


def check_field(found, files, model, options, *, jobs=1, tile=None, psfs=None):
    """Check the mosaics of a field for a fit.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    files : `~pixsed.images.field_files.FieldFiles`
    model, options, jobs, tile
        As for `pixsed.fit.dry_run.cubes.check_cubes`.
    psfs : dict, optional
        Arguments psfs, target and scale of `pixsed.fit.dry_run.psfs.check_files`, if the images
        are still to be matched.

    Returns
    -------
    work : `~pixsed.fit.dry_run.pixels.Work`
    fitted : `~pixsed.fit.dry_run.sample.FittedSample` or None
    """
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        images = [
            image
            for place, given in files.image_options()
            if (image := _open_image(found, stack, place, given)) is not None
        ]
        if not images:
            return Work(), None
        if psfs:
            check_files(found, images, **psfs)
        else:
            known = [image for image in images if model is None or image.band in model.bands]
            check_cards(found, *psfs_of_images(known))
        field, mosaics = _open_field(found, stack, files, images)
        if field is None:
            return Work(), None
        if files.rescale_errors:
            found.ok("depth", "errors are scaled to the scatter of the sky")
        else:
            with found.stage("depth"):
                scatter = mosaics.scatter_over_errors()
                ratios = {band: 1 / value for band, value in scatter.items() if value > 0}
                check_depth(found, ratios, "--rescale-errors makes them agree")
        if model is None:
            return Work(), None
        _check_catalogue_range(found, field, model)
        opened = time.monotonic() - start
        work, rows = check_source(
            found, field, model, options, tile=tile, sample=_SAMPLE, segmap=mosaics.segmap
        )
        if rows is None:
            return Work(), None
        work.read_seconds += opened
        return work, _check_sample(found, rows, model, options, jobs)


def _open_image(found, stack, place, given):
    """Return an open image whose band, unit and WCS are known, or None."""
    one, image = found.of(place, "images"), None
    with one.stage("read") as stage:
        image = stack.enter_context(ImageFile(place, **given))
    if not stage.passed:
        return None
    good = True
    for check, what in (("bands", "band"), ("units", "factor"), ("grid", "wcs")):
        with one.stage(check) as stage:
            getattr(image, what)
        good &= stage.passed
    if not good:
        return None
    of = f", from {image.files[1]}" if len(image.files) > 1 else ""
    one.ok("errors", f"{_SOURCES[image.err_source]}{of}")
    given_by = "--unit" if given.get("unit") else "the header"
    one.ok("units", f"{image.bunit or 'a zero point'}, from {given_by}")
    return image


def _open_field(found, stack, files, images):
    """Return the open `~pixsed.images.field.Field`, and its mosaics; None where it cannot be."""
    segmap = redshift_map = catalog = mosaics = None
    opened = []
    if files.segmap:
        with found.of(files.segmap, "segmentation maps").stage("read") as stage:
            segmap = stack.enter_context(open_segmap(files.segmap))
        opened.append(stage)
    with found.stage("grid") as stage:
        mosaics = Mosaics(images, segmap, reproject=False)
    opened.append(stage)
    if stage.passed:
        ny, nx = mosaics.shape
        scale = math.sqrt(pixel_area_arcsec2(mosaics.wcs))
        found.ok("grid", f"{len(images)} images of {nx} x {ny} pixels of {scale:.4g} arcsec")
    with found.stage("redshift") as stage:
        redshift_map = files.open_redshift_map(stack)
    opened.append(stage)
    with found.stage("redshift") as stage:
        catalog = files.read_catalog()
    opened.append(stage)
    if not all(stage.passed for stage in opened):
        return None, mosaics
    field = None
    with found.stage("redshift"):
        field = files.field(mosaics, redshift_map, catalog)
    if field is None:
        return None, mosaics
    with found.stage("redshift") as stage:
        field.check(files.catalog)
    return field if stage.passed else None, mosaics


def _check_catalogue_range(found, field, model):
    """Report the galaxies of the catalogue whose redshift is beyond the model's range."""
    numbers = field.galaxies
    if not numbers or model.infers_redshift:
        return
    redshifts, errors = (np.array(values) for values in zip(*numbers.values(), strict=True))
    bad = redshift_dq(redshifts, errors, model) != 0
    if bad.any():
        ids = [number for number, out in zip(numbers, bad, strict=True) if out]
        found.warning(
            "redshift",
            f"{len(ids)} of {len(numbers)} galaxies have a redshift or an error outside "
            f"{range_text(model)}: id {listed(ids, 5)}",
            "correct them, or give another --model",
        )
    if not bad.all():
        low, high = redshifts[~bad].min(), redshifts[~bad].max()
        found.ok("redshift", f"{(~bad).sum()} galaxies with redshifts from {low:.3g} to {high:.3g}")


def _check_sample(found, rows, model, options, jobs):
    """Fit a sample of the pixels, and check it; return the `FittedSample`."""
    fitted = None
    with found.stage("sample"):
        fitted = fit_sample(model, rows, options, jobs)
    if fitted is not None:
        check_training_noise(found, rows, model)
        check_ood(found, rows, fitted.columns, model, options.error_floor)
    return fitted

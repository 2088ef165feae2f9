"""Dry run of a fit of cubes."""

import math
import time

import numpy as np

from pixsed.errors import PixsedError
from pixsed.fit.dry_run.errors import CUBE_LIMITS, check_depth, check_training_noise
from pixsed.fit.dry_run.pixels import Work, check_source, joined
from pixsed.fit.dry_run.psfs import check_cards
from pixsed.fit.dry_run.sample import check_ood, fit_sample
from pixsed.io.formats.kinds import kind_of
from pixsed.io.headers import celestial_wcs, pixel_area_arcsec2

# Pixels of the sample of a cube, at most and at least, and of all cubes.
_MOST, _LEAST, _TOGETHER = 500, 16, 4000
# Relative difference of PIXAR_A2 and the WCS up to which they agree.
_SAME_AREA = 0.02


def check_cubes(found, cubes, model, options, *, jobs=1, tile=None):
    """Check cubes for a fit.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    cubes : list of `~pixsed.io.formats.cube_file.CubeName`
    model : `~pixsed.fit.model.Model` or None
        None if it cannot be loaded: what follows from it is not checked.
    options : `~pixsed.fit.options.FitOptions`
        The fields samples and snr_min must be numbers.
    jobs : int, optional
        Number of threads.
    tile : tuple of int, optional
        (ny, nx) of the tiles.

    Returns
    -------
    work : `~pixsed.fit.dry_run.pixels.Work`
    fitted : `~pixsed.fit.dry_run.sample.FittedSample` or None
    """
    work, samples, ratios = Work(), [], {}
    number = min(_MOST, max(_LEAST, _TOGETHER // max(1, len(cubes))))
    for name in cubes:
        start = time.monotonic()
        one = found.of(name.path, "cubes")
        source = _open(one, name)
        if source is None:
            continue
        opened = time.monotonic() - start
        with source:
            for band, ratio in _errors_over_sky(source).items():
                ratios.setdefault(band, []).append(ratio)
            _check_grid(one, source)
            check_cards(one, *_psfs_of(source, model))
            if model is None:
                continue
            more, rows = check_source(one, source, model, options, tile=tile, sample=number)
        if rows is not None:
            more.read_seconds += opened
            work.add(more)
            samples.append(rows)
    _check_depths(found, ratios)
    fitted = None
    if samples:
        fitted = _check_samples(found, cubes, samples, model, options, jobs)
    return work, fitted


def _open(found, name):
    """Return the open cube, or None, with the message that `pixsed.fit.many_cubes` gives."""
    source = None
    with found.stage("read"):
        try:
            source = name.open(check=False)
        except PixsedError:
            # Looked at only now: it opens the file twice more, and takes longer than the rest.
            if kind_of(name.path) != "cube":
                raise PixsedError(
                    f"{name.path} is not a cube; make it with pixsed cutout"
                ) from None
            raise
    return source


def _psfs_of(source, model):
    """Return PSFMATCH and PSFFWHM of the bands that the model knows."""
    known = [band for band in source.bands if model is None or band in model.bands]
    return tuple({b: values[b] for b in known} for values in (source.psfmatch, source.psf_fwhm))


def _check_grid(found, source):
    ny, nx = source.shape
    scale = math.sqrt(source.pixar_a2)
    found.ok(
        "read",
        f"a cube of {len(source.bands)} bands in nJy, {nx} x {ny} pixels of {scale:.4g} arcsec",
    )
    with found.stage("grid"):
        area = pixel_area_arcsec2(celestial_wcs(source.header, source.name))
        if abs(source.pixar_a2 / area - 1) > _SAME_AREA:
            found.warning(
                "grid",
                f"PIXAR_A2 is {source.pixar_a2:.4g} arcsec2, the area of a pixel by the WCS "
                f"{area:.4g}: LOGSIGMA is of PIXAR_A2",
                "correct PIXAR_A2 of the primary header",
            )


def _errors_over_sky(source):
    """Return the errors over the scatter of the sky by band, from the table BANDS."""
    if source.binning is not None:  # the table is of the pixels before
        return {}
    depth, rms = (
        np.asarray(source.table[name], dtype=float) for name in ("depth_1sigma_njy", "sky_rms_njy")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = depth / rms
    return {b: r for b, r in zip(source.bands, ratio, strict=True) if np.isfinite(r) and r > 0}


def _check_depths(found, ratios):
    if not found.kinds:
        return
    middle = {band: float(np.median(values)) for band, values in ratios.items()}
    check_depth(found, middle, "cut the cubes again with cutout --rescale-errors", CUBE_LIMITS)


def _check_samples(found, cubes, samples, model, options, jobs):
    """Fit the samples of all cubes together, and check them; return the `FittedSample`."""
    rows = joined(samples) if _alike(samples) else joined([s for s in samples if s.npix is None])
    fitted = None
    with found.stage("sample"):
        fitted = fit_sample(model, rows, options, jobs)
    if fitted is not None:
        check_training_noise(found, rows, model)
        what = "pixels" if rows.npix is None else "bins"
        check_ood(found, rows, fitted.columns, model, options.error_floor, what)
    return fitted


def _alike(samples):
    return len({rows.npix is None for rows in samples}) == 1

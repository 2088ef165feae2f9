"""Checks of errors against the scatter of the sky, and against the noise of the training."""

import math

import numpy as np

from pixsed.images.noise.error_scale import MOSAIC_LIMIT
from pixsed.simulate.noise import DepthTable, NoiseModel, from_description

#: Ranges of the errors over the scatter of the sky outside which there is a warning, and a problem.
#: Faint sources raise the scatter, and drizzling lowers it, each by up to a factor of 2.
MOSAIC_LIMITS = ((0.5, 2.0), (1 / MOSAIC_LIMIT, MOSAIC_LIMIT))
#: The same for cubes, where the outskirts of the galaxy raise the scatter.
CUBE_LIMITS = ((1 / MOSAIC_LIMIT, 2.0), (0.1, MOSAIC_LIMIT))
# Scatter of the training noise between bands, in sigma, that still counts as trained.
_SIGMAS = 2.0
# Fraction of rows with a band of an S/N beyond the training, above which there is a warning.
_BRIGHT = 0.02
_FEWEST = 10


def check_depth(found, ratios, mend, limits=MOSAIC_LIMITS):
    """Check errors against the scatter of the sky.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    ratios : dict of str to float
        Band -> errors over the scatter of the sky; NaN = not known.
    mend : str
        What to do if they do not agree.
    limits : tuple of tuple of float, optional
        Ranges of the ratio outside which there is a warning, and a problem.
    """
    known = {band: ratio for band, ratio in ratios.items() if ratio > 0}
    if not known:
        found.ok("depth", "errors not compared with the sky: too little of it, or they are its rms")
        return
    off, wrong = (
        {band: ratio for band, ratio in known.items() if not low <= ratio <= high}
        for low, high in limits
    )
    start = "errors over the scatter of the sky (1 = they agree): "
    if wrong:
        found.problem("depth", start + _listed(wrong), f"a wrong unit or kind of errors? {mend}")
    if off := {band: ratio for band, ratio in off.items() if band not in wrong}:
        found.warning("depth", start + _listed(off), mend)
    if not (wrong or off):
        low, high = min(known.values()), max(known.values())
        found.ok("depth", f"{start}{low:.2f} to {high:.2f} in {len(known)} bands")


def _listed(ratios):
    return ", ".join(f"{band} {ratio:.2f}" for band, ratio in ratios.items())


def check_training_noise(found, rows, model):
    """Check the errors of a sample against those of the training of a model.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    rows : `~pixsed.fit.posterior.Rows`
        A sample of the pixels to fit.
    model : `~pixsed.fit.model.Model`
        Its metadata hold the noise of the training. Nothing is checked if they do not, or if that
        noise was measured on images.
    """
    noise = _training_noise(model)
    if noise is None or rows.npix is not None:
        return
    wide, narrow = math.exp(_SIGMAS * noise.scatter), math.exp(_SIGMAS * noise.fraction_scatter)
    low, high = noise.scale_low / wide, noise.scale_high * wide
    depths = noise.base.parts(np.zeros((1, len(model.bands))), model.bands, None)[0][0]
    odd = []
    for number, band in enumerate(model.bands):
        errors = rows.err[:, number]
        errors = errors[np.isfinite(errors)]
        if len(errors) < _FEWEST:
            continue
        ratio = float(np.median(errors)) / float(depths[number])
        if not low <= ratio <= high:
            odd.append(f"{band} {ratio:.2g}")
    if odd:
        found.warning(
            "errors",
            f"median errors over nominal depths are beyond those of the training, "
            f"{low:.2g} to {high:.2g}: {', '.join(odd)}",
            "look at the units and the kind of the errors (--unit, --err-kind)",
        )
    with np.errstate(invalid="ignore"):
        snr = np.nan_to_num(rows.flux / rows.err)
    limit = narrow / noise.fraction_low
    bright = (snr > limit).any(axis=1).mean()
    if bright > _BRIGHT:
        band = model.bands[int(snr.max(axis=0).argmax())]
        found.warning(
            "errors",
            f"{bright:.1%} of the sample has an S/N above {limit:.0f}, up to {snr.max():,.0f} in "
            f"{band}: the errors of the training are at least {noise.fraction_low:.0%} of the flux",
            "add a floor for errors of calibration with --error-floor; 0.05 is usual",
        )


def _training_noise(model):
    """Return the noise of the training, if it is one of nominal depths; else None."""
    said = model.metadata.get("noise")
    try:
        noise = from_description(said) if said else None
    except (TypeError, ValueError, KeyError, AttributeError):  # of another version
        return None
    known = isinstance(noise, NoiseModel) and isinstance(noise.base, DepthTable)
    return noise if known and noise.fraction_low > 0 else None

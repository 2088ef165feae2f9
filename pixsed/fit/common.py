"""Fraction of the variance of a posterior that is common to pixels of similar populations.

The error of a pixel has two parts. One comes from its noise, and differs from pixel to pixel. The
other comes from the prior, where the noise leaves a choice, and pixels of similar populations share
it. The fraction f of the second part is measured on simulations that are observed many times
(`pixsed.validate.common`), as a function of the mean S/N over the reference bands.
"""

import numpy as np

#: Fractions of models whose metadata have none, by property: measured with ``tau`` and the 19 bands
#: of the paper.
DEFAULT = {
    "snr": [3.1, 7.0, 14.0, 29.0, 63.0],
    "LOGMSTAR": [0.65, 0.70, 0.74, 0.66, 0.62],
    "LOGSFR": [0.93, 0.83, 0.78, 0.72, 0.78],
}


def common_fractions(model, snr):
    """Return the common fraction of the variance of each base normal of some pixels.

    The first two coordinates of the flow are the redshift and the mass, and have the fraction of
    LOGMSTAR. The others have the fraction of LOGSFR, because they are of the history, the dust and
    the metallicity, on which the SFR depends.

    Parameters
    ----------
    model : `~pixsed.fit.model.Model`
    snr : `~numpy.ndarray`, shape (N,)
        Mean S/N over the reference bands; NaN counts as 0.

    Returns
    -------
    `~numpy.ndarray`, shape (N, D)
        Interpolated in ln S/N, and constant beyond the ends of the table.
    """
    table = model.metadata.get("calibration", {}).get("common") or DEFAULT
    with np.errstate(invalid="ignore"):
        at = np.log(np.maximum(np.nan_to_num(snr), 1e-3))
    nodes = np.log(table["snr"])
    mass, rate = (
        np.clip(np.interp(at, nodes, table[name]), 0.0, 1.0) for name in ("LOGMSTAR", "LOGSFR")
    )
    columns = [mass if i < 2 else rate for i in range(model.base_dim)]
    return np.stack(columns, axis=1)

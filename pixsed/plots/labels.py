"""Labels and colour maps of properties and of planes of quality."""

import math

#: Labels of the axes and colour bars.
LABELS = {
    "LOGMSTAR": r"$\log M_*$ [M$_\odot$]",
    "LOGMFORM": r"$\log M_{\rm formed}$ [M$_\odot$]",
    "LOGSIGMA": r"$\log \Sigma_*$ [M$_\odot$ kpc$^{-2}$]",
    "LOGSFR": r"$\log$ SFR [M$_\odot$ yr$^{-1}$]",
    "LOGSFR10": r"$\log$ SFR, 10 Myr [M$_\odot$ yr$^{-1}$]",
    "LOGSIGMA_SFR": r"$\log \Sigma_{\rm SFR}$ [M$_\odot$ yr$^{-1}$ kpc$^{-2}$]",
    "LOGSSFR": r"$\log$ SFR $-$ $\log M_*$, medians [yr$^{-1}$]",
    "METAL": "[M/H]",
    "AV": r"$A_V$ [mag]",
    "DUSTSLOPE": r"dust slope $\delta$",
    "LOGU": r"$\log U$",
    "AGE": "mass-weighted age [Gyr]",
    "TAU": r"$\tau$ [Gyr]",
    "TSTART": r"$t_i$ [Gyr]",
    "T50LB": r"$t_{50}$, lookback [Gyr]",
    "SNR": "mean S/N",
    "NBANDS": "number of bands",
    "OOD": "OOD: fraction with a larger CHI2",
    "CHI2": r"CHI2: $\chi^2$ per band",
}

# Maps for amounts are sequential, uniform in lightness, and safe for colour-blind readers.
_COLOURS = {
    "LOGMSTAR": "inferno",
    "LOGMFORM": "inferno",
    "LOGSIGMA": "inferno",
    "AGE": "plasma",
    "T50LB": "plasma",
    "METAL": "cividis",
    "AV": "magma",
    "DUSTSLOPE": "cividis",
    "LOGU": "cividis",
    "SNR": "inferno",
    "CHI2": "magma",
}
#: Colour map of standard deviations.
STD_COLOURS = "cividis"


def galaxy_title(object_id, redshift):
    """Return the title of a galaxy: its id, if it has one, and its redshift, if it is finite."""
    parts = [f"object {object_id}"] if object_id else []
    if math.isfinite(redshift):
        parts.append(f"z = {redshift:.4g}")
    return ", ".join(parts)


def label(name, unit=""):
    """Return the label of a property, with its unit."""
    if name in LABELS:
        return LABELS[name]
    return f"{name} [{unit}]" if unit else name


def colours(name):
    """Return the name of the colour map of a property."""
    return _COLOURS.get(name, "viridis")

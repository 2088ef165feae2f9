"""Picture of a radial profile: properties of annuli against radius (Fig. 15)."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.plots.figure import legend_entries, new_figure
from pixsed.plots.labels import galaxy_title, label

#: Properties that are drawn by default.
DEFAULT = ("LOGSIGMA", "AGE", "AV", "LOGSSFR")
#: Largest number of panels.
MOST = 8
_COLOUR = "#0072B2"
#: Annuli of which less than this fraction is fitted have open points.
FULL = 0.9
# Labels of properties of annuli, and of values relative to the centre.
_LABELS = {"LOGSSFR": r"$\log$ sSFR [yr$^{-1}$]"}
_RELATIVE = {
    "LOGSIGMA": r"$\log\,(\Sigma_* / \Sigma_{*,0})$",
    "LOGSIGMA_SFR": r"$\log\,(\Sigma_{\rm SFR} / \Sigma_{\rm SFR,0})$",
    "LOGSSFR": r"$\log$ (sSFR / sSFR$_0$)",
    "AGE": r"age / age$_0$",
    "T50LB": r"$t_{50} / t_{50,0}$",
    "METAL": r"[M/H] $-$ [M/H]$_0$",
}
# Unit of radii -> column, and label of the axis.
_RADII = {
    "arcsec": ("R", "semi-major axis [arcsec]"),
    "kpc": ("R_KPC", "semi-major axis [kpc]"),
    "reff": ("R_REFF", "semi-major axis / {kind} radius"),
    "psf": ("R_PSF", "semi-major axis / FWHM of the PSF"),
}


def drawn_properties(table, wanted=()):
    """Return the properties of a table of `pixsed.profile` to draw.

    Raises
    ------
    PixsedError
        If there are more than `MOST`.
    """
    there = [name[:-4] for name in table.colnames if name.endswith("_P50")]
    found = list(wanted) or [name for name in DEFAULT if name in there] or there[:4]
    if len(found) > MOST:
        raise PixsedError(
            f"a picture has {MOST} panels at most, got {len(found)}; draw fewer with --property"
        )
    return found


def draw(table, properties=(), *, unit="arcsec"):
    """Draw a profile, one panel per property, with one axis of radii.

    Points are medians, with error bars from the quantiles at 16 and 84 %. Grey: radii below half
    the FWHM of the PSF. The dashed line is the effective radius. Properties with columns relative
    to the centre are drawn relative to it, except A_V.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `pixsed.profile`.
    properties : sequence of str, optional
        By default those of `DEFAULT` that the table has.
    unit : {"arcsec", "kpc", "reff", "psf"}, optional
        Unit of the axis of radii.

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If there are too many properties, or matplotlib is not installed.
    """
    names = drawn_properties(table, properties)
    column, text = _RADII[unit]
    figure = new_figure(figsize=(5.6, 1.5 + 1.75 * len(names)))
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    scale = float(np.median(np.asarray(table[column] / table["R"])))  # of the unit per arcsec
    for axis, name in zip(axes, names, strict=True):
        _panel(axis, table, name, scale)
    # The top of the last annulus is shown.
    axes[-1].set_xlim(0.0, 1.03 * float(table["R_OUT"][-1]) * scale)
    axes[-1].set_xlabel(text.format(kind=table.meta.get("REFFKIND", "effective")), fontsize=9)
    _second_axis(axes[0], table, unit, scale)
    entries = legend_entries(axes)
    place = {"loc": "outside lower center", "ncols": 2}
    figure.legend(entries.values(), entries.keys(), frameon=False, fontsize=7.5, **place)
    figure.suptitle("\n".join(_title(table)), fontsize=8.5)
    return figure


def _panel(axis, table, name, scale):
    shown = f"REL_{name}" if f"REL_{name}_P50" in table.colnames and name != "AV" else name
    low, middle, high = (
        np.asarray(table[f"{shown}_{level}"], dtype=float) for level in ("P16", "P50", "P84")
    )
    radius = np.asarray(table["R"], dtype=float) * scale
    half = 0.5 * np.asarray(table["R_OUT"] - table["R_IN"], dtype=float) * scale
    there = np.isfinite(middle)
    full = np.asarray(table["COVERAGE"]) >= FULL
    fwhm, reff = (table.meta.get(key) or np.nan for key in ("PSFFWHM", "REFF"))
    if np.isfinite(fwhm):
        axis.axvspan(0.0, 0.5 * fwhm * scale, color="0.88", lw=0, zorder=0, label=_PSF)
    if np.isfinite(reff) and reff < table["R_OUT"][-1]:
        kind = table.meta.get("REFFKIND", "effective")
        axis.axvline(reff * scale, color="0.4", ls="--", lw=0.9, zorder=1, label=f"{kind} radius")
    for some, face, text in (
        (there & full, _COLOUR, "median and 68 %"),
        (there & ~full, "white", f"the same, below {FULL:.0%} fitted"),
    ):
        if some.any():
            axis.errorbar(
                radius[some],
                middle[some],
                yerr=np.abs([middle - low, high - middle])[:, some],
                xerr=half[some],
                fmt="o",
                ms=4,
                mfc=face,
                color=_COLOUR,
                lw=1,
                label=text,
                zorder=3,
            )
    axis.plot(radius[there], middle[there], color=_COLOUR, lw=0.8, alpha=0.6, zorder=2)
    unit = table[f"{shown}_P50"].unit
    axis.set_ylabel(_text(name, shown, unit), fontsize=9)
    axis.tick_params(labelsize=8, direction="in", right=True)


_PSF = "below half the FWHM of the PSF"


def _text(name, shown, unit):
    """Return the label of the axis of a property."""
    if shown == name:
        return _LABELS.get(name) or label(name, "" if unit is None else str(unit))
    if name in _RELATIVE:
        return _RELATIVE[name]
    return f"{name} / centre" if unit is None else f"{name} $-$ centre"


def _second_axis(axis, table, unit, scale):
    """Add an axis of kpc above, or of arcsec if the lower one is of kpc."""
    per_arcsec = float(np.median(np.asarray(table["R_KPC"] / table["R"])))
    factor = 1.0 / scale if unit == "kpc" else per_arcsec / scale
    if not np.isfinite(factor):
        return
    top = axis.secondary_xaxis("top", functions=(lambda r: r * factor, lambda r: r / factor))
    top.set_xlabel("arcsec" if unit == "kpc" else "kpc", fontsize=9)
    top.tick_params(labelsize=8, direction="in")


def _title(table):
    """Return the lines above the picture."""
    meta = table.meta
    first = [galaxy_title(str(meta.get("OBJECT", "")), float(table["REDSHIFT"][0]))]
    first.append(f"model {meta['MODEL']}")
    if meta["NOISECOR"] != "correlated":
        first.append(f"draws of pixels: {meta['NOISECOR']}")
    shape = f"b/a = {meta['AXRATIO']:.2f}, PA = {meta['PA']:.0f}° ({meta['SHAPE']})"
    lines = [", ".join(part for part in first if part), f"{shape}, centre: {meta['CENTRE']}"]
    if not meta.get("PSFFWHM"):
        lines.append("FWHM of the PSF unknown: the radius that it blurs is not marked")
    return lines

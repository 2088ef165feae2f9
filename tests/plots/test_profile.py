"""Pictures of profiles."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.plots.profile import draw, drawn_properties

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")


def make_table(fwhm=0.16, names=("LOGSIGMA", "AGE", "AV", "LOGSSFR"), relative=False):
    edges = np.arange(6) * 0.06
    table = Table({"REDSHIFT": np.full(5, 2.0), "R_IN": edges[:-1], "R_OUT": edges[1:]})
    table["R"] = 0.5 * (edges[1:] + edges[:-1])
    for name, factor in (("R_KPC", 8.0), ("R_REFF", 5.0), ("R_PSF", 1 / (fwhm or np.nan))):
        table[name] = table["R"] * factor
    table["COVERAGE"] = [1.0, 1.0, 1.0, 1.0, 0.6]
    for name in [*names, *(f"REL_{name}" for name in names if relative)]:
        for level, value in (("P16", -0.1), ("P50", 0.0), ("P84", 0.1)):
            table[f"{name}_{level}"] = value + np.linspace(1.0, 0.5, 5)
            table[f"{name}_{level}"].unit = u.Gyr if name == "AGE" else None
    table.meta = dict(OBJECT="7", PSFFWHM=fwhm, REFF=0.2, REFFKIND="half-light", CENTRE="given")
    table.meta |= dict(AXRATIO=0.7, PA=31.2, SHAPE="measured", MODEL="tau", NOISECOR="correlated")
    return table


def test_panels_share_the_radius(tmp_path):
    figure = draw(make_table())
    axes = figure.axes
    labels = [axis.get_ylabel() for axis in axes]
    assert len(axes) == 4 and "Sigma" in labels[0] and "age" in labels[1] and "sSFR" in labels[3]
    assert {axis.get_xlim() for axis in axes} == {(0.0, 1.03 * 0.3)}
    assert axes[-1].get_xlabel() == "semi-major axis [arcsec]"
    title = figure.get_suptitle()
    assert title.startswith("object 7, z = 2, model tau") and "PA = 31° (measured)" in title
    assert "unknown" not in title
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "below half the FWHM of the PSF" in texts and "half-light radius" in texts
    assert "the same, below 90% fitted" in texts
    [shaded] = [patch for patch in axes[0].patches if patch.get_label().startswith("below half")]
    corners = axes[0].transData.inverted().transform(shaded.get_extents().get_points())
    assert corners[:, 0] == pytest.approx([0, 0.08])
    [line] = [line for line in axes[0].lines if line.get_label() == "half-light radius"]
    assert line.get_xdata()[0] == pytest.approx(0.2)
    [top] = axes[0].child_axes
    assert top.get_xlabel() == "kpc"
    figure.savefig(tmp_path / "p.png", dpi=30)
    assert top.get_xlim()[1] == pytest.approx(8 * 1.03 * 0.3)


@pytest.mark.parametrize(
    ("unit", "label", "end"),
    [
        ("kpc", "semi-major axis [kpc]", 2.4),
        ("reff", "semi-major axis / half-light radius", 1.5),
        ("psf", "semi-major axis / FWHM of the PSF", 0.3 / 0.16),
    ],
)
def test_units(unit, label, end):
    axis = draw(make_table(), ["AGE"], unit=unit).axes[0]
    assert axis.get_xlabel() == label
    assert axis.get_xlim()[1] == pytest.approx(1.03 * end)
    assert axis.child_axes[0].get_xlabel() == ("arcsec" if unit == "kpc" else "kpc")


def test_relative_and_without_a_psf():
    table = make_table(fwhm=None, relative=True)
    table.meta["NOISECOR"] = "independent"
    figure = draw(table)
    assert "model tau, draws of pixels: independent" in figure.get_suptitle()
    assert [axis.get_ylabel() for axis in figure.axes][1:3] == [r"age / age$_0$", r"$A_V$ [mag]"]
    assert "FWHM of the PSF unknown" in figure.get_suptitle()
    assert not figure.axes[0].patches


def test_properties():
    table = make_table(names=("MINE", "AGE"))
    assert drawn_properties(table) == ["AGE"]
    assert drawn_properties(make_table(names=("MINE",))) == ["MINE"]
    with pytest.raises(PixsedError, match="a picture has 8 panels at most, got 9"):
        draw(table, ["AGE"] * 9)

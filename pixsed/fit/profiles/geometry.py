"""Geometry of a profile: centre, shape, scales of radii, and edges of annuli."""

from dataclasses import dataclass, replace

import numpy as np

from pixsed import cosmology
from pixsed.errors import PixsedError
from pixsed.fit.profiles.draws import fitted_weights, mass_planes
from pixsed.images.ellipses import (
    Ellipse,
    half_radius,
    measure_shape,
    pixel_angle,
    position_angle,
)
from pixsed.redshifts import NO_DISTANCE
from pixsed.snr import reference_light

#: Least fitted fraction of the area of the last annulus, if radii are not given.
LEAST_COVERAGE = 0.5
#: Default width of annuli in pixels.
WIDTH = 2.0
_MOST = 1000  # annuli


@dataclass(frozen=True)
class Geometry:
    """Geometry of a profile.

    Attributes
    ----------
    ellipse : `~pixsed.images.ellipses.Ellipse`
        Centre and shape, in pixels.
    edges : `~numpy.ndarray`, shape (A + 1,)
        Semi-major axes in arcsec.
    weights : `~numpy.ndarray`, shape (A, N)
        Number of pixels of each fitted row in each annulus.
    pixel : float
        Side of a pixel in arcsec.
    kpc : float
        kpc per arcsec; NaN without a redshift.
    reff, psf_fwhm : float
        Effective radius (semi-major axis) and FWHM of the PSF in arcsec; NaN if unknown.
    pa : float
        Position angle in degrees, east of north.
    position : tuple of float
        RA and Dec of the centre in degrees.
    centre, shape, reff_kind : str
        Where the centre, the shape and the effective radius come from.
    """

    ellipse: Ellipse
    edges: np.ndarray
    weights: np.ndarray
    pixel: float
    kpc: float
    reff: float
    psf_fwhm: float
    pa: float
    position: tuple
    centre: str
    shape: str
    reff_kind: str

    @property
    def npix(self):
        """Number of fitted pixels in each annulus, with fractions, shape (A,)."""
        return self.weights.sum(axis=1)

    @property
    def coverage(self):
        """Fitted fraction of the area of each annulus, shape (A,)."""
        inner, outer = self.edges[:-1] / self.pixel, self.edges[1:] / self.pixel
        return np.minimum(self.npix / self.ellipse.area(inner, outer), 1.0)  # but for rounding


def light_image(cube):
    """Return the mean flux of each pixel over the reference bands, nJy, (ny, nx); NaN = no data.

    These are the bands of the mean S/N (`pixsed.snr.snr_used`).
    """
    light, used = reference_light(cube.flux, cube.bands)
    return np.where(used.any(axis=0), light, np.nan)


def find_geometry(cube, model, selection, options, profile, name="cube"):
    """Return the `Geometry` of a profile.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    model : `~pixsed.fit.model.Model`
    selection : `~pixsed.fit.select.Selection`
        With at least one pixel.
    options : `~pixsed.fit.options.FitOptions`
    profile : `~pixsed.fit.profiles.options.ProfileOptions`
    name : str, optional
        File name, for messages.

    Raises
    ------
    PixsedError
        If the centre is outside the image, the light of the segment has no shape, a unit of radii
        is not known, or there are too many annuli.
    """
    inside = selection.chosen if cube.segmap is None else cube.segment(name)
    light = light_image(cube)
    median = mean = None
    if "mass" in (profile.centre, profile.reff):
        median, mean = mass_planes(cube, model, selection, options)
    measured = _measured(light, inside, profile, name)
    ellipse = replace(measured, **_centre(cube, median, measured, profile, name))
    wcs, pixel = cube.wcs, float(np.sqrt(cube.pixar_a2))
    if profile.axis_ratio is not None:
        ellipse = replace(ellipse, axis_ratio=profile.axis_ratio)
    if profile.pa is not None:
        ellipse = replace(ellipse, theta=pixel_angle(wcs, ellipse.x, ellipse.y, profile.pa))
    if isinstance(profile.reff, float):
        reff, kind = profile.reff, "given"
    elif profile.reff == "mass":
        reff, kind = half_radius(mean, selection.chosen, ellipse) * pixel, "half-mass"
    else:
        reff, kind = half_radius(light, inside, ellipse) * pixel, "half-light"
    sky = wcs.pixel_to_world(ellipse.x, ellipse.y).icrs
    known = cube.redshift > NO_DISTANCE
    scales = dict(
        pixel=pixel,
        kpc=float(cosmology.kpc_per_arcsec(cube.redshift)) if known else np.nan,
        reff=reff,
        psf_fwhm=np.nan if profile.psf_fwhm is None else profile.psf_fwhm,
    )
    edges, weights = _annuli(ellipse, selection, profile, scales, name)
    return Geometry(
        ellipse=ellipse,
        edges=edges,
        weights=weights,
        pa=position_angle(wcs, ellipse),
        position=(float(sky.ra.deg), float(sky.dec.deg)),
        centre=_CENTRES.get(profile.centre, "given"),
        shape=_shape_text(profile),
        reff_kind=kind,
        **scales,
    )


_CENTRES = {"mass": "most massive pixel", "light": "centroid of light"}


def _measured(light, inside, profile, name):
    """Return the shape of the light, if anything of it is used."""
    if profile.centre != "light" and None not in (profile.axis_ratio, profile.pa):
        return Ellipse(0.0, 0.0)
    try:
        return measure_shape(light, inside)
    except PixsedError as error:
        raise PixsedError(
            f"{name}: {error}; give --axis-ratio and --pa, and a --centre other than light"
        ) from None


def _shape_text(profile):
    given = [profile.axis_ratio is not None, profile.pa is not None]
    if not any(given):
        return "measured"
    return "given" if all(given) else f"given {'axis ratio' if given[0] else 'angle'}, measured"


def _centre(cube, median, measured, profile, name):
    """Return the x and y of the centre in pixels."""
    if profile.centre == "light":
        return {"x": measured.x, "y": measured.y}
    if profile.centre == "mass":
        # The pixels of a bin are equally massive.
        y, x = np.nonzero(median == np.nanmax(median))
        return {"x": float(x.mean()), "y": float(y.mean())}
    ra, dec = profile.centre
    x, y = (float(v) for v in cube.wcs.all_world2pix(ra, dec, 0, quiet=True))
    ny, nx = cube.shape
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
        raise PixsedError(
            f"{name}: the centre, RA {ra:.6f}, Dec {dec:.6f}, is outside the image; check --centre"
        )
    return {"x": x, "y": y}


def _annuli(ellipse, selection, profile, scales, name):
    """Return the edges of the annuli in arcsec, and the weights of the fitted rows in them."""
    scale, pixel = _scale(profile.unit, scales, name), scales["pixel"]
    if profile.radii is not None:
        edges = np.array(profile.radii) * scale
        return edges, fitted_weights(ellipse, edges / pixel, selection)
    width = WIDTH * pixel if profile.width is None else profile.width * scale
    y, x = np.nonzero(selection.chosen)
    count = int(ellipse.radius(y, x).max() * pixel / width) + 1
    if count > _MOST:
        raise PixsedError(
            f"{name}: there would be {count} annuli of {width:g} arcsec, and a profile has at most "
            f"{_MOST}; give a larger --width"
        )
    edges = np.arange(count + 1) * width
    weights = fitted_weights(ellipse, edges / pixel, selection)
    coverage = weights.sum(axis=1) / ellipse.area(edges[:-1] / pixel, edges[1:] / pixel)
    enough = np.flatnonzero(coverage >= LEAST_COVERAGE)
    count = enough[-1] + 1 if len(enough) else 1
    return edges[: count + 1], weights[:count]


def _scale(unit, scales, name):
    """Return the length of a unit of radii in arcsec."""
    if unit == "kpc" and not np.isfinite(scales["kpc"]):
        raise PixsedError(f"{name}: radii in kpc need a redshift; give --redshift, or use arcsec")
    if unit == "psf" and not np.isfinite(scales["psf_fwhm"]):
        raise PixsedError(
            f"{name}: radii in PSF widths need the FWHM of the PSF; give --psf-fwhm ARCSEC"
        )
    if unit == "reff" and not scales["reff"] > 0:
        raise PixsedError(
            f"{name}: the galaxy has no effective radius, since its light is not positive; give "
            "--reff ARCSEC"
        )
    scale = {"arcsec": 1.0, "reff": scales["reff"], "psf": scales["psf_fwhm"]}
    return 1.0 / scales["kpc"] if unit == "kpc" else scale[unit]

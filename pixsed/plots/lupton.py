"""RGB images by the method of Lupton et al. (2004), from a cube or from three images."""

from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.io.formats.psfmatch import common_psf, warn_of_psfs

#: Softening of the asinh, for bright pixels.
Q = 8.0
#: Default stretch, as a multiple of the scatter of the sky in the mean of the three bands.
SKY_STRETCH = 12.0
#: Grey of pixels without data in one of the bands.
NO_DATA = 128
# Summed S/N that a band of a default choice must have, if three bands have it: as a number, and as
# a fraction of that of the best band. The noise of fainter bands would colour the sky.
_DETECTED = 10.0
_OF_BEST = 0.1
# Multiple of the scatter of the sky above which a pixel is part of a galaxy.
_SOURCE = 3.0
# Largest offset in pixels of images on the same grid.
_SAME_GRID = 0.1


@dataclass
class Composite:
    """RGB image.

    Attributes
    ----------
    pixels : `~numpy.ndarray`, shape (ny, nx, 3), uint8
        `NO_DATA` where one of the bands has no data.
    bands : tuple of str
        Bands shown as red, green and blue.
    stretch, q : float
        Parameters of the asinh; `stretch` in nJy, after the factors.
    scale : tuple of float
        Factors of the red, green and blue fluxes.
    galaxy : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels of galaxies, which scale bars must not cover.
    wcs : `~astropy.wcs.WCS`
    pixel : float
        Side of a pixel in arcsec.
    redshift : float
        NaN if not known.
    object_id : str
        Empty if not known.
    psf_fwhm : float
        FWHM of the PSF in arcsec; NaN if not known.
    """

    pixels: np.ndarray
    bands: tuple
    stretch: float
    q: float
    scale: tuple
    galaxy: np.ndarray
    wcs: WCS
    pixel: float
    redshift: float = np.nan
    object_id: str = ""
    psf_fwhm: float = np.nan

    @property
    def text(self):
        """Bands by colour, such as ``R F444W, G F200W, B F115W``."""
        return ", ".join(f"{colour} {band}" for colour, band in zip("RGB", self.bands, strict=True))


def choose_bands(cube):
    """Return three bands of a cube for red, green and blue.

    They are the reddest, the bluest, and the one nearest to the middle of both in log wavelength,
    of the bands in which the galaxy has a summed S/N of at least 10, and of a tenth of that in the
    best band. If fewer than three have it, of all bands with data.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`

    Returns
    -------
    tuple of str

    Raises
    ------
    PixsedError
        If fewer than three bands have data.
    """
    inside = cube.segment()
    flux, err = cube.flux[:, inside].astype(float), cube.err[:, inside].astype(float)
    good = np.isfinite(flux) & np.isfinite(err)
    variance = np.sum(np.where(good, err, 0) ** 2, axis=1)
    snr = np.sum(np.where(good, flux, 0), axis=1) / np.sqrt(np.where(variance > 0, variance, 1))
    there = np.flatnonzero(good.any(axis=1))
    least = max(_DETECTED, _OF_BEST * snr.max())
    detected = [i for i in there if snr[i] >= least]
    usable = detected if len(detected) >= 3 else list(there)
    if len(usable) < 3:
        raise PixsedError(
            f"an RGB image needs three bands with data, the cube has {len(usable)}; "
            "name bands with --bands R,G,B, one of them twice if need be"
        )
    pivot = np.log(np.asarray(cube.table["pivot_um"], dtype=float)[usable])
    if not np.isfinite(pivot).all():
        pivot = np.arange(len(usable), dtype=float)  # bands of unknown wavelength
    distance = np.abs(pivot - 0.5 * (pivot[0] + pivot[-1]))
    middle = 1 + int(np.argmin(distance[1:-1]))
    return tuple(cube.bands[i] for i in (usable[-1], usable[middle], usable[0]))


def equal_energy(pivots):
    """Return the factors of three fluxes with which a source of flat nu f_nu is white.

    Fluxes in f_nu would show most galaxies in red and yellow, since the bands of an image may be
    apart by a factor of 10 in wavelength.

    Parameters
    ----------
    pivots : `~numpy.ndarray`, shape (3,)
        Pivot wavelengths of red, green and blue, in micron.

    Returns
    -------
    tuple of float
        Pivot of green over each pivot; 1 if one of them is not known.
    """
    if not np.isfinite(pivots).all():
        return 1.0, 1.0, 1.0
    return tuple(float(value) for value in pivots[1] / pivots)


def compose(images, *, stretch, q=Q):
    """Return the pixels of an RGB image, by `~astropy.visualization.make_lupton_rgb`.

    Parameters
    ----------
    images : `~numpy.ndarray`, shape (3, ny, nx)
        Red, green and blue, in one unit; NaN = no data.
    stretch : float
        Linear stretch, in that unit.
    q : float, optional
        Softening of the asinh.

    Returns
    -------
    `~numpy.ndarray`, shape (ny, nx, 3), uint8
    """
    from astropy.visualization import make_lupton_rgb

    missing = ~np.isfinite(images).all(axis=0)
    images = np.where(missing, 0.0, images).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):  # where the mean flux is 0
        pixels = make_lupton_rgb(*images, stretch=stretch, Q=q)
    pixels[missing] = NO_DATA
    return pixels


def sky_scatter(images, sky=None):
    """Return the scatter of the sky in the mean of three images.

    Parameters
    ----------
    images : `~numpy.ndarray`, shape (3, ny, nx)
    sky : `~numpy.ndarray`, shape (ny, nx), bool, optional
        Pixels of the sky; by default, or if there are fewer than 10, all, clipped at 3 sigma.

    Returns
    -------
    float
        NaN if there are fewer than 10 pixels, or they do not scatter.
    """
    from pixsed.io.sky import robust_rms

    mean = images.mean(axis=0)
    found = np.nan if sky is None else robust_rms(mean[sky])
    if not found > 0:
        found = robust_rms(mean)
    return found if found > 0 else np.nan


def _default_stretch(scatter, name):
    if not scatter > 0:
        raise PixsedError(
            f"{name}: the sky does not scatter, or has no data, so there is no default stretch; "
            "give one with --stretch"
        )
    return SKY_STRETCH * scatter


def composite_of_cube(cube, bands=None, *, stretch=None, q=Q, scale=None, name="cube"):
    """Return the `Composite` of a cube.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    bands : sequence of str, optional
        Bands for red, green and blue; by default `choose_bands`.
    stretch : float, optional
        Linear stretch in nJy; by default `SKY_STRETCH` times the scatter of the sky.
    q : float, optional
        Softening of the asinh.
    scale : sequence of float, optional
        Factors of the red, green and blue fluxes; by default those of `equal_energy`.
    name : str, optional
        File, for messages.

    Warns
    -----
    PixsedWarning
        If the bands are not known to have one PSF.

    Raises
    ------
    PixsedError
        If the cube lacks a band, fewer than three bands have data, or the sky does not scatter
        and no stretch is given.
    """
    try:
        bands = tuple(choose_bands(cube) if bands is None else bands)
    except PixsedError as error:
        raise PixsedError(f"{name}: {error}") from None
    if unknown := [band for band in bands if band not in cube.bands]:
        raise PixsedError(
            f"{name} has no band {', '.join(unknown)}; it has {', '.join(cube.bands)}"
        )
    psfmatch = {band: cube.psfmatch[band] for band in bands}
    warn_of_psfs(psfmatch, cube.psf_fwhm)
    order = [cube.bands.index(band) for band in bands]
    if scale is None:
        scale = equal_energy(np.asarray(cube.table["pivot_um"], dtype=float)[order])
    images = np.stack([cube.flux[i] * factor for i, factor in zip(order, scale, strict=True)])
    sky = None if cube.segmap is None else cube.segmap == 0
    scatter = sky_scatter(images, sky)
    stretch = _default_stretch(scatter, name) if stretch is None else stretch
    return Composite(
        pixels=compose(images, stretch=stretch, q=q),
        bands=bands,
        stretch=stretch,
        q=q,
        scale=tuple(scale),
        galaxy=_sources(images, scatter) if sky is None else ~sky,
        wcs=cube.wcs,
        pixel=float(np.sqrt(cube.pixar_a2)),
        redshift=float(cube.redshift),
        object_id=str(cube.object_id),
        psf_fwhm=common_psf(psfmatch, cube.psf_fwhm)[1],
    )


def composite_of_images(red, green, blue, *, stretch=None, q=Q, scale=None):
    """Return the `Composite` of three images on one grid.

    Parameters
    ----------
    red, green, blue : str
        ``[BAND=]path[EXT]``; fluxes are converted to nJy.
    stretch, q, scale
        As for `composite_of_cube`.

    Raises
    ------
    PixsedError
        If an image cannot be read or has no unit or WCS, or if they are not on one grid.
    """
    from pixsed.io.headers import grid_offset, pixel_area_arcsec2
    from pixsed.io.image import ImageFile

    planes, bands, pivots, first = [], [], [], None
    for text in (red, green, blue):
        with ImageFile(text, measure_sky=False) as image:
            if first is None:
                first = image.name, image.shape, image.wcs
            name, shape, wcs = first
            if image.shape != shape or not grid_offset(wcs, image.wcs, shape) < _SAME_GRID:
                raise PixsedError(
                    f"{image.name} is not on the pixel grid of {name}; put the images on one grid, "
                    "or cut a cube with pixsed cutout"
                )
            planes.append(image.read()[0])
            bands.append(image.band_or_none or "")
            pivots.append(image.pivot_um if bands[-1] else np.nan)
    scale = equal_energy(np.array(pivots)) if scale is None else scale
    images = np.stack([plane * factor for plane, factor in zip(planes, scale, strict=True)])
    scatter = sky_scatter(images)
    stretch = _default_stretch(scatter, name) if stretch is None else stretch
    return Composite(
        pixels=compose(images, stretch=stretch, q=q),
        bands=tuple(band or f"image {number}" for number, band in enumerate(bands, 1)),
        stretch=stretch,
        q=q,
        scale=tuple(scale),
        galaxy=_sources(images, scatter),
        wcs=wcs,
        pixel=float(np.sqrt(pixel_area_arcsec2(wcs))),
    )


def _sources(images, scatter):
    """Return the pixels of sources: groups above the sky that are not noise of a few pixels.

    There are none if the scatter of the sky is not known.
    """
    from scipy.ndimage import binary_opening, binary_propagation

    above = images.mean(axis=0) > _SOURCE * scatter
    return binary_propagation(binary_opening(above, np.ones((3, 3))), mask=above)


def composite_of_panels(path, panels, **settings):
    """Return the `Composite` of a cube, cropped as the maps of the same galaxy.

    Parameters
    ----------
    path : str
        Cube.
    panels : `~pixsed.plots.panels.Panels`
    **settings
        Arguments of `composite_of_cube`.

    Raises
    ------
    PixsedError
        If the cube is not on the pixel grid of the maps.
    """
    from pixsed.io.formats.cube import read_cube
    from pixsed.io.headers import grid_offset

    cube = read_cube(path)
    same = cube.shape == panels.shape
    if same:
        offset = grid_offset(panels.wcs, cube.wcs[panels.window], panels.fitted.shape)
        same = offset < _SAME_GRID
    if not same:
        raise PixsedError(
            f"{path} is not on the pixel grid of {panels.name}; give the cube that was fitted"
        )
    whole = composite_of_cube(cube, name=path, **settings)
    return replace(
        whole,
        pixels=whole.pixels[panels.window],
        galaxy=whole.galaxy[panels.window],
        wcs=panels.wcs,
    )


def show(axes, composite, *, size=7):
    """Show a composite on axes, with its bands in the title.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
    composite : `Composite`
    size : float, optional
        Size of the title in points.
    """
    axes.set_facecolor("black")
    axes.imshow(composite.pixels, origin="lower", interpolation="nearest")
    axes.set_title(composite.text, fontsize=size)

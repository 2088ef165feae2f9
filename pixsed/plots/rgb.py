"""Pictures of an RGB image: with axes and scale bars, or its pixels alone."""

import numpy as np

from pixsed.plots.annotations import Corner, Scale, annotate
from pixsed.plots.figure import new_figure
from pixsed.plots.labels import galaxy_title
from pixsed.plots.lupton import show
from pixsed.plots.sky_axes import sky_axes


def draw_rgb(composite, *, psf_fwhm=None):
    """Draw an RGB image with RA, Dec and scale bars.

    Parameters
    ----------
    composite : `~pixsed.plots.lupton.Composite`
    psf_fwhm : float, optional
        FWHM of the PSF in arcsec, the diameter of a circle; by default that of the composite.

    Returns
    -------
    `matplotlib.figure.Figure`

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    ny, nx = composite.galaxy.shape
    figure = new_figure(figsize=(5.0, 5.0 * float(np.clip(ny / nx, 0.4, 2.0)) + 0.3))
    axes = sky_axes(figure, figure.add_gridspec(1, 1)[0], composite.wcs, (ny, nx), size=8)
    show(axes, composite, size=9)
    if title := galaxy_title(composite.object_id, composite.redshift):
        figure.suptitle(title, fontsize=10)
    scale = Scale(composite.pixel, composite.redshift, psf_fwhm or composite.psf_fwhm)
    annotate(figure, [Corner(axes, composite.galaxy, scale, on_dark=True)])
    return figure


def write_pixels(composite, path):
    """Write the pixels of an RGB image as a PNG, one dot per pixel, north as in the FITS image.

    Parameters
    ----------
    composite : `~pixsed.plots.lupton.Composite`
    path : path-like

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    new_figure()  # reports a missing matplotlib
    from matplotlib.image import imsave

    imsave(path, composite.pixels, origin="lower", format="png")

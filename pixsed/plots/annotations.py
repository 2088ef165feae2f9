"""Scale bars and PSF circle, in a corner of a picture that the galaxy leaves free."""

from dataclasses import dataclass

import numpy as np

from pixsed.cosmology import kpc_per_arcsec

_FONT = 7  # points
_GAP = 4  # points between the parts, and between them and the edge
#: Corners in order of preference: left or right, bottom or top.
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))


@dataclass
class Scale:
    """Scales of a picture of one galaxy.

    Parameters
    ----------
    pixel : float
        Side of a pixel in arcsec.
    redshift : float, optional
        For the bar in kpc; without one, or with NaN, there is no such bar.
    psf_fwhm : float, optional
        FWHM of the PSF in arcsec; without one there is no circle.
    """

    pixel: float
    redshift: float = np.nan
    psf_fwhm: float | None = None

    def bars(self, nx):
        """Return the (length in pixels, text) of each bar, for a picture of `nx` pixels."""
        length = round_length(0.25 * nx * self.pixel)
        found = [(length / self.pixel, f"{length:g}″")]
        if self.redshift > 0:
            kpc_per_pixel = self.pixel * float(kpc_per_arcsec(self.redshift))
            length = round_length(0.25 * nx * kpc_per_pixel)
            found.append((length / kpc_per_pixel, f"{length:g} kpc"))
        return found

    @property
    def diameter(self):
        """Diameter of the PSF circle in pixels; 0 if there is none."""
        return self.psf_fwhm / self.pixel if self.psf_fwhm else 0.0


def round_length(goal):
    """Return the largest of 1, 2 and 5 times a power of ten that is not above `goal`."""
    power = 10.0 ** np.floor(np.log10(goal))
    # A goal of 0.2 may be 0.19999999999999998.
    return float(power * max(step for step in (1, 2, 5) if step * power <= goal * (1 + 1e-9)))


def annotate(axes, galaxy, scale, *, others=(), on_dark=False):
    """Draw the scale bars and the PSF circle, where they do not lie on the galaxy.

    They are put into the corner with the fewest pixels of the galaxy. If it has any, a strip is
    added to the picture, below it. Call this when all else is drawn, for the sizes of texts.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Its data coordinates are pixels.
    galaxy : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels of the galaxy.
    scale : `Scale`
    others : sequence of `~matplotlib.axes.Axes`, optional
        Pictures of the same pixels, which get the same strip.
    on_dark : bool, optional
        White instead of black.
    """
    axes.figure.draw_without_rendering()  # fixes the layout
    ny, nx = galaxy.shape
    bars = scale.bars(nx)
    texts = [axes.text(0, 0, text, fontsize=_FONT) for _, text in bars]
    # Repeated, since a strip changes the size of the pixels.
    for _ in range(3):
        axes.figure.draw_without_rendering()
        point = axes.figure.dpi / 72 / _display_per_pixel(axes)  # in pixels of the image
        gap, sizes = _GAP * point, [_text_size(axes, text) for text in texts]
        widths = [length + gap + size[0] for (length, _), size in zip(bars, sizes, strict=True)]
        height = max(size[1] for size in sizes)
        rows = len(bars) * height + (len(bars) - 1) * gap / 2
        circle = scale.diameter + 2 * gap if scale.diameter else 0.0
        box = circle + max(widths) + 2 * gap, max(rows, scale.diameter) + 2 * gap
        x, y, strip = find_place(galaxy, box)
        if not strip:
            break
        for each in (axes, *others):
            each.set_ylim(-0.5 - strip, ny - 0.5)
            each.set_xlim(-0.5, max(box[0], nx) - 0.5)
    x, y = x + gap, y + 0.5 * box[1]
    _draw_circle(axes, (x + 0.5 * scale.diameter, y), scale.diameter, on_dark)
    x, y = x + circle, y - 0.5 * rows + 0.5 * height
    colour = "white" if on_dark else "black"
    for (length, _), text in zip(bars, texts, strict=True):
        axes.plot([x, x + length], [y, y], color=colour, lw=1.5, solid_capstyle="butt")
        text.set(position=(x + length + gap, y), color=colour, va="center", ha="left")
        y += height + gap / 2


def find_place(galaxy, box):
    """Return the place of a box in a picture, and the strip that it needs.

    Parameters
    ----------
    galaxy : `~numpy.ndarray`, shape (ny, nx), bool
    box : tuple of float
        Width and height in pixels.

    Returns
    -------
    x, y : float
        Lower left corner of the box, in pixels; the centre of the first pixel is 0.
    strip : float
        Height of a strip below the picture, in which the box then lies; 0 if it lies in a corner
        without pixels of the galaxy.
    """
    ny, nx = galaxy.shape
    width, height = box
    if width <= nx and height <= ny:
        for right, top in CORNERS:
            x, y = right * (nx - width) - 0.5, top * (ny - height) - 0.5
            rows = slice(max(int(np.floor(y + 0.5)), 0), int(np.ceil(y + height + 0.5)))
            columns = slice(max(int(np.floor(x + 0.5)), 0), int(np.ceil(x + width + 0.5)))
            if not galaxy[rows, columns].any():
                return x, y, 0.0
    return -0.5, -0.5 - height, height


def _display_per_pixel(axes):
    """Return the width of a pixel of the image in pixels of the screen."""
    low, high = axes.get_xlim()
    return axes.get_window_extent().width / (high - low)


def _text_size(axes, text):
    """Return the width and height of a text in pixels of the image."""
    extent = text.get_window_extent()
    per_pixel = _display_per_pixel(axes)
    return extent.width / per_pixel, extent.height / per_pixel


def _draw_circle(axes, centre, diameter, on_dark):
    if not diameter:
        return
    from matplotlib.patches import Circle

    face, edge = ("none", "white") if on_dark else ("white", "black")
    axes.add_patch(Circle(centre, diameter / 2, facecolor=face, edgecolor=edge, lw=1))

"""Scale bars and PSF circle, in a corner of a picture that the galaxy leaves free."""

from dataclasses import dataclass

import numpy as np

from pixsed.cosmology import kpc_per_arcsec
from pixsed.plots.sky_axes import round_length

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
        FWHM of the PSF in arcsec; without one, or with NaN, there is no circle.
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
        return self.psf_fwhm / self.pixel if (self.psf_fwhm or 0.0) > 0 else 0.0


@dataclass
class Corner:
    """A picture of a galaxy, in a corner of which its scales are drawn.

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

    axes: object
    galaxy: np.ndarray
    scale: Scale
    others: tuple = ()
    on_dark: bool = False

    def __post_init__(self):
        self.bars = self.scale.bars(self.galaxy.shape[1])
        self.texts = [self.axes.text(0, 0, text, fontsize=_FONT) for _, text in self.bars]

    def find(self):
        """Find the place of the scales in the present layout; return the strip that it needs."""
        self.axes.apply_aspect()
        per_pixel = _display_per_pixel(self.axes)
        extents = [text.get_window_extent() for text in self.texts]
        self.gap = _GAP * self.axes.figure.dpi / 72 / per_pixel  # in pixels of the image
        self.line = max(extent.height for extent in extents) / per_pixel
        self.rows = len(self.bars) * self.line + (len(self.bars) - 1) * self.gap / 2
        width = max(
            length + self.gap + extent.width / per_pixel
            for (length, _), extent in zip(self.bars, extents, strict=True)
        )
        diameter = self.scale.diameter
        self.indent = diameter + 2 * self.gap if diameter else 0.0
        self.box = self.indent + width + 2 * self.gap, max(self.rows, diameter) + 2 * self.gap
        self.x, self.y, strip = find_place(self.galaxy, self.box)
        return strip

    def extend(self, strip):
        """Add a strip below the pictures."""
        ny, nx = self.galaxy.shape
        for each in (self.axes, *self.others):
            each.set_ylim(-0.5 - strip, ny - 0.5)
            each.set_xlim(-0.5, max(self.box[0], nx) - 0.5)

    def draw(self):
        """Draw the circle, the bars and their lengths."""
        diameter = self.scale.diameter
        x, y = self.x + self.gap, self.y + 0.5 * self.box[1]
        _draw_circle(self.axes, (x + 0.5 * diameter, y), diameter, self.on_dark)
        x, y = x + self.indent, y - 0.5 * self.rows + 0.5 * self.line
        colour = "white" if self.on_dark else "black"
        for (length, _), text in zip(self.bars, self.texts, strict=True):
            self.axes.plot([x, x + length], [y, y], color=colour, lw=1.5, solid_capstyle="butt")
            text.set(position=(x + length + self.gap, y), color=colour, va="center", ha="left")
            y += self.line + self.gap / 2


def annotate(figure, corners, *, rows=1):
    """Draw scale bars and PSF circles, where they do not lie on the galaxies.

    They are put into the corner of a picture with none of the galaxy's pixels. If there is none, a
    strip is added below the picture, and the figure grows. Call this when all else is drawn.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
    corners : sequence of `Corner`
        One per galaxy.
    rows : int, optional
        Rows of panels per galaxy, each of which gets a strip.
    """
    strips = _strips(figure, corners)
    if any(strips):
        more = 0.0
        for corner, strip in zip(corners, strips, strict=True):
            if strip:
                more += rows * strip * _display_per_pixel(corner.axes) / figure.dpi
                corner.extend(strip)
        figure.set_figheight(figure.get_figheight() + more)
        # A strip changes the size of the pixels, and with it that of the texts.
        for corner, strip in zip(corners, _strips(figure, corners), strict=True):
            if strip:
                corner.extend(strip)
    for corner in corners:
        corner.draw()


def _strips(figure, corners):
    """Return the strip that each galaxy needs, by a new layout."""
    figure.get_layout_engine().execute(figure)
    return [corner.find() for corner in corners]


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


def _draw_circle(axes, centre, diameter, on_dark):
    if not diameter:
        return
    from matplotlib.patches import Circle

    face, edge = ("none", "white") if on_dark else ("white", "black")
    axes.add_patch(Circle(centre, diameter / 2, facecolor=face, edgecolor=edge, lw=1))

"""DS9 regions as segments: their pixels on an image."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.extras import install_advice
from pixsed.io.inputs import check_input


@dataclass
class Region:
    """Region on the pixels of an image.

    Attributes
    ----------
    number : int
        Label in the file, if it is a whole number above 0, else the position in the file, from 1.
    shape : `regions.PixelRegion`
    box : tuple of int
        Bounding box (y0, y1, x0, x1), ends excluded; it may extend beyond the image.
    """

    number: int
    shape: object
    box: tuple

    def segmap(self, box):
        """Return the segmentation map of a box, int32: `number` inside the region, else 0."""
        from regions import PixCoord

        y0, y1, x0, x1 = box
        y, x = np.mgrid[y0:y1, x0:x1]
        return np.where(self.shape.contains(PixCoord(x, y)), self.number, 0).astype(np.int32)


def read_regions(path, wcs):
    """Read the regions of a DS9 file.

    Parameters
    ----------
    path : str
    wcs : `~astropy.wcs.WCS`
        WCS of the image. Regions in sky coordinates are converted to its pixels; those in image
        coordinates are used unchanged.

    Returns
    -------
    list of `Region`

    Raises
    ------
    PixsedError
        If the package regions is not installed, the file cannot be read or has no region, two
        regions have the same number, or one has no area or is excluded (``-circle``).
    """
    try:
        from regions import PixelRegion, Regions
    except ImportError:
        raise PixsedError(
            f"{path}: region files need the package regions; try: {install_advice('regions')}"
        ) from None
    check_input(path, "a file of DS9 regions")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            shapes = list(Regions.read(path, format="ds9"))
        except Exception as error:  # raised by the parser or by coordinates
            raise PixsedError(
                f"{path} cannot be read as DS9 regions ({' '.join(str(error).split())[:200]}); "
                "save it from DS9 in its own format"
            ) from error
    for warning in caught:
        warnings.warn(f"{path}: {warning.message}", PixsedWarning, stacklevel=2)
    if not shapes:
        raise PixsedError(f"{path} holds no region; draw one, and save it in DS9's own format")
    found = []
    for place, shape in enumerate(shapes, 1):
        label = str(shape.meta.get("text", "")).strip()
        number = int(label) if label.isdecimal() and int(label) > 0 else place
        if number > np.iinfo(np.int32).max:
            raise PixsedError(
                f"{path}: region {number}: the label is too large for an id of a cube's SEGMAP; "
                "choose a smaller one"
            )
        if not shape.meta.get("include", True):
            raise PixsedError(f"{path}: region {number} is an excluded one; remove it, or its -")
        if not isinstance(shape, PixelRegion):
            shape = shape.to_pixel(wcs)
        if not shape.area > 0:
            raise PixsedError(
                f"{path}: region {number} has no area; draw a circle, an ellipse or a polygon"
            )
        edge = shape.bounding_box
        found.append(Region(number, shape, (edge.iymin, edge.iymax, edge.ixmin, edge.ixmax)))
    numbers = [region.number for region in found]
    if twice := sorted({n for n in numbers if numbers.count(n) > 1}):
        raise PixsedError(
            f"{path}: two regions have the number {twice[0]}; label each with one of its own"
        )
    return found

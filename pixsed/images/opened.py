"""Images given by name or as open files."""

import contextlib

from pixsed.checks import check_path
from pixsed.io.image import ImageFile
from pixsed.io.locate import Location


def open_image(image, **options):
    """Return a context manager of an open image.

    Parameters
    ----------
    image : str, `~pixsed.io.locate.Location` or `~pixsed.io.image.ImageFile`
        An open image stays open after the block.
    **options
        As in `~pixsed.io.image.ImageFile`, for an image given by name.
    """
    if isinstance(image, ImageFile):
        return contextlib.nullcontext(image)
    if not isinstance(image, Location):
        image = check_path("image", image, " or an ImageFile")
    return ImageFile(image, **options)

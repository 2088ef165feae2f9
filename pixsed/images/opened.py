"""Images given by name or as open files."""

import contextlib

from pixsed.io.image import ImageFile


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
    return ImageFile(image, **options)

"""Kind of the inputs of a fit: cubes, mosaics or a table."""

from pixsed.errors import PixsedError
from pixsed.io.formats.kinds import kind_of
from pixsed.io.locate import parse_location


def kind_of_inputs(inputs, hdu=None, *, mosaics=False):
    """Return ``"cube"``, ``"image"`` or ``"table"`` for the inputs of a fit.

    The first input of a known kind decides; ``BAND=path`` is an image.

    Parameters
    ----------
    inputs : sequence of str
        ``[BAND=]path[EXT]`` each.
    hdu : str, optional
        Extension of inputs that name none.
    mosaics : bool, optional
        Whether options of mosaics are given. Inputs that cannot be read then count as images,
        whose reader gives the better error message.

    Raises
    ------
    PixsedError
        If no input can be read.
    """
    if any(parse_location(text, band=True).band for text in inputs):
        return "image"
    trouble = None
    for text in inputs:
        try:
            return kind_of(text, hdu)
        except PixsedError as error:
            trouble = trouble or error
    if mosaics:
        return "image"
    raise trouble

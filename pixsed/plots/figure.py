"""Matplotlib figures; the only module that imports matplotlib."""

from pixsed.environment import prepare_matplotlib
from pixsed.errors import PixsedError
from pixsed.extras import install_advice


def new_figure(**settings):
    """Return a `matplotlib.figure.Figure` that needs no screen.

    Parameters
    ----------
    **settings
        Arguments of `~matplotlib.figure.Figure`; the layout is constrained.

    Raises
    ------
    PixsedError
        If matplotlib is not installed.
    """
    prepare_matplotlib()
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PixsedError(
            "pictures are drawn by matplotlib, which is not installed; "
            f"try: {install_advice('matplotlib')}"
        ) from None
    return Figure(layout="constrained", **settings)


def legend_entries(axes):
    """Return what the legend of some axes shows, each text once: a dict of text to artist."""
    found = {}
    for axis in axes:
        for artist, text in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(text, artist)
    return found

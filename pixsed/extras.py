"""Packages that pixsed needs for some tasks only, and the advice to install them."""

#: Extra of setup.cfg -> its packages, in the words of pip.
EXTRAS = {
    "plot": ("matplotlib",),
    "sps": ("astro-sedpy", "bagpipes", "dense-basis", "fsps"),
    "train": ("onnx", "onnxscript", "sbi", "torch"),
    "reproject": ("reproject",),
    "regions": ("regions",),
    "dask": ("dask[distributed]",),
}


def install_advice(*packages):
    """Return how to install packages, for messages: ``pip install matplotlib``.

    Packages are named rather than an extra of pixsed: the advice is then right however pixsed was
    installed.

    Parameters
    ----------
    *packages : str
        Names in `EXTRAS`.

    Raises
    ------
    KeyError
        If pixsed has no extra with the package.
    """
    known = {package.split("[")[0]: package for found in EXTRAS.values() for package in found}
    names = [known[package] for package in packages]
    quoted = [f"'{name}'" if "[" in name else name for name in names]
    return f"pip install {' '.join(quoted)}"

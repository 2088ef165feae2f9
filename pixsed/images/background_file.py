"""Write an image with its background subtracted."""

from pixsed.io.writers.mosaic import MosaicWriter

_PLANES = {"SCI": "flux", "ERR": "err", "BKG": "background", "BKGRMS": "rms"}


def write_background(found, path, *, overwrite=False, progress=iter):
    """Write SCI, ERR, BKG and BKGRMS of an image in stripes.

    Parameters
    ----------
    found : `~pixsed.images.background.MosaicBackground`
    path, overwrite
        As for `pixsed.io.formats.cube.write_cube`.
    progress : callable, optional
        Wraps the list of stripes, as `tqdm.tqdm` does.
    """
    options = found.options
    step = (
        f"bkg: box {options.box}, filter {options.filter_size}, "
        f"{options.sigma:g}-sigma clipped {options.estimator}"
    )
    with MosaicWriter(
        found.image,
        tuple(_PLANES),
        path,
        overwrite=overwrite,
        inputs=found.inputs,
        history=[step, f"bkg: {found.describe_errors()}"],
        cards={"RMSADDED": (found.adds_rms, "whether ERR has the sky's rms added")},
    ) as writer:
        for part in found.stripes(progress):
            writer.append({name: getattr(part, field) for name, field in _PLANES.items()})
            del part  # not held while the next stripe is made

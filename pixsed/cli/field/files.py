"""Images and PSFs of a field by band, and checks that its files are there."""

import glob
import os

from pixsed.errors import PixsedError
from pixsed.io.formats.field_file import nearest


def by_band(field, key):
    """Return band -> ``BAND=path[EXT]``, as seen from the current folder.

    Parameters
    ----------
    field : `~pixsed.io.formats.field_file.FieldFile`
    key : {"images", "psfs"}

    Raises
    ------
    PixsedError
        If a pattern matches nothing, a file does not tell its band, or a band comes twice.
    """
    from pixsed.environment import NO_VERIFY, variables
    from pixsed.io.image import read_band
    from pixsed.io.locate import expand_locations

    value, found = getattr(field, key), {}
    if isinstance(value, dict):
        return {band: f"{band}={field.place(text)}" for band, text in value.items()}
    # Only headers are read here: the step that reads the data verifies them.
    with variables(**{NO_VERIFY: "1"}):
        for place in expand_locations(field.place(text, band=True) for text in value):
            band = read_band(place)
            if band in found:
                before = found[band].partition("=")[2]
                raise field.error(key, f"has two files of {band}: {before} and {place}")
            found[band] = f"{band}={place}"
    return found


def psfs_by_band(field, images):
    """Return band -> ``path[EXT]`` of the PSFs; empty if the images are not to be matched.

    Parameters
    ----------
    field : `~pixsed.io.formats.field_file.FieldFile`
    images : dict
        From `by_band`.

    Raises
    ------
    PixsedError
        If bands with images and with PSFs differ, or the target has no PSF.
    """
    found = {band: text.partition("=")[2] for band, text in by_band(field, "psfs").items()}
    target = field.target
    if not found:
        if target:
            raise field.error("target", "goes with psfs, the PSFs by band; give them")
        return found
    for band in found:
        if band not in images:
            raise field.error(f"[psfs] {band}", f"has no image; {nearest(band, tuple(images))}")
    if missing := [band for band in images if band not in found]:
        raise field.error(
            "psfs",
            f"has no PSF of {', '.join(missing)}; add it, or leave out psfs and target if the "
            "images are matched",
        )
    if target is None:
        raise field.error(
            "target", "must be given with psfs: the band to whose PSF all are matched"
        )
    if target.upper() not in found:
        raise field.error("target", f"{target} has no PSF; {nearest(target, tuple(found))}")
    return found


def check_files(field, images, steps):
    """Raise `PixsedError` if a file that no step makes is absent, or an image is a product.

    Parameters
    ----------
    field : `~pixsed.io.formats.field_file.FieldFile`
    images : dict
        From `by_band`.
    steps : list of `~pixsed.cli.field.step.Step`
    """
    from pixsed.io.inputs import check_input
    from pixsed.io.locate import parse_location

    made = {step.output for step in steps}
    for text in images.values():
        if (path := parse_location(text, band=True).path) in made:
            raise field.error("images", f"has {path}, which a step writes; choose another output")
    for step in steps:
        for path in (*(() if step.of_folder else step.paths()), *step.files):
            if path in made or glob.has_magic(path) and not os.path.exists(path):
                continue
            try:
                check_input(path, "a file")
            except PixsedError as error:
                raise PixsedError(f"{field.path}: {error}") from None

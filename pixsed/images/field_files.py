"""The files of a field of mosaics: named here, opened where the work is done."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from pixsed.images.catalog import read_redshifts
from pixsed.images.cutout import Mosaics
from pixsed.images.field import Field, RedshiftMap
from pixsed.images.segmap import open_segmap
from pixsed.io.formats.psfmatch import warn_of_psfs
from pixsed.io.image import open_images
from pixsed.io.locate import open_fits, parse_location


@dataclass(frozen=True)
class FieldFiles:
    """A `~pixsed.images.field.Field` that is not open.

    Attributes
    ----------
    images : tuple of `~pixsed.io.locate.Location`
        One per band; the first sets the grid.
    errors, units, err_kinds, fills : tuple of str or None
        Of each image, as `~pixsed.io.image.ImageFile` takes them.
    segmap, redshift_map, catalog : str, optional
        ``path`` or ``path[EXT]``.
    id_col, z_col, zerr_col : str, optional
        Columns of the catalogue, as `~pixsed.images.catalog.read_redshifts` takes them.
    redshift, redshift_err, all_pixels, rescale_errors
        As `~pixsed.images.field.Field` takes them.
    """

    images: tuple
    errors: tuple
    units: tuple
    segmap: str | None = None
    redshift_map: str | None = None
    catalog: str | None = None
    id_col: str | None = None
    z_col: str | None = None
    zerr_col: str | None = None
    redshift: float | None = None
    redshift_err: float | None = None
    all_pixels: bool = False
    rescale_errors: bool = False
    err_kinds: tuple = ()
    fills: tuple = ()

    def absolute(self):
        """Return the same, named from any folder."""
        return replace(
            self,
            images=tuple(place.absolute() for place in self.images),
            errors=tuple(map(_absolute, self.errors)),
            segmap=_absolute(self.segmap),
            redshift_map=_absolute(self.redshift_map),
            catalog=_absolute(self.catalog),
        )

    @contextlib.contextmanager
    def open(self, check=True):
        """Yield the `~pixsed.images.field.Field`, its files open.

        Parameters
        ----------
        check : bool, optional
            Whether to go through the mosaics first, for what a user should be told.

        Raises
        ------
        PixsedError
            If a file cannot be read, is on another grid, or has no redshifts.

        Warns
        -----
        PixsedWarning
            Of bands that are not matched alike, of galaxies without a redshift, and of
            errors that disagree with the scatter of the sky.
        """
        with contextlib.ExitStack() as stack:
            none = (None,) * len(self.images)
            options = zip(
                self.images,
                self.units,
                self.errors,
                self.err_kinds or none,
                self.fills or none,
                strict=True,
            )
            images = open_images(
                stack,
                (
                    (place, {"unit": unit, "err": err, "err_kind": kind, "fill": fill})
                    for place, unit, err, kind, fill in options
                ),
            )
            files = [name for image in images for name in image.files]
            others = []
            segmap = redshift_map = catalog = None
            if self.segmap:
                segmap = stack.enter_context(open_segmap(self.segmap))
                others.append(segmap.location)
            mosaics = Mosaics(images, segmap, reproject=False)
            if self.redshift_map:
                others.append(parse_location(self.redshift_map))
                opened = stack.enter_context(open_fits(others[-1].path, memmap=False))
                redshift_map = RedshiftMap(opened, others[-1])
            if self.catalog:
                others.append(parse_location(self.catalog))
                catalog = read_redshifts(
                    self.catalog, id_col=self.id_col, z_col=self.z_col, zerr_col=self.zerr_col
                )
            field = Field(
                mosaics,
                redshift=self.redshift,
                redshift_err=self.redshift_err,
                catalog=catalog,
                redshift_map=redshift_map,
                all_pixels=self.all_pixels,
                rescale_errors=self.rescale_errors,
            )
            field.files = list(dict.fromkeys([*files, *(place.path for place in others)]))
            # The hashes of the files do not tell which of their extensions are read.
            extensions = [place.extension for place in (*self.images, *others)]
            field.key = {"bands": field.bands, "extensions": extensions}
            if check:
                warn_of_psfs({image.band: image.psfmatch for image in images})
                field.check(self.catalog)
                if not self.rescale_errors:
                    mosaics.warn_of_errors()
            if any(image.is_compressed for image in images):
                mosaics.read_ahead()
            yield field


def _absolute(text):
    """Return what names a file from any folder; what names none, as an extension, as it is."""
    if text is None:
        return None
    place = parse_location(text)
    return str(place.absolute()) if Path(place.path).exists() else text

"""File names of a field of mosaics. The files are opened in the process that fits them."""

import contextlib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from pixsed.images.catalog import read_redshifts
from pixsed.images.field import Field, RedshiftMap
from pixsed.images.mosaics import Mosaics
from pixsed.images.segmap import open_segmap
from pixsed.io.formats.psfmatch import psfs_of_images, warn_of_psfs
from pixsed.io.image import open_images
from pixsed.io.locate import open_fits, parse_location


def _read_by(option, default):
    """Return a dataclass field, set by a command-line option, that affects the pixels read."""
    return field(default=default, metadata={"option": option})


@dataclass(frozen=True)
class FieldFiles:
    """File names of a `~pixsed.images.field.Field`, and options to read them.

    Attributes
    ----------
    images : tuple of `~pixsed.io.locate.Location`
        One per band; the first sets the grid.
    errors, units, err_kinds, fills : tuple of str or None
        For each image, as `~pixsed.io.image.ImageFile` takes them.
    segmap, redshift_map, catalog : str, optional
        ``path`` or ``path[EXT]``.
    id_col, z_col, zerr_col : str, optional
        Columns of the catalogue, as `~pixsed.images.catalog.read_redshifts` takes them.
    redshift, redshift_err, all_pixels, rescale_errors
        As `~pixsed.images.field.Field` takes them.
    """

    images: tuple
    errors: tuple = _read_by("--err", ())
    units: tuple = _read_by("--unit", ())
    segmap: str | None = None
    redshift_map: str | None = None
    catalog: str | None = None
    id_col: str | None = _read_by("--id-col", None)
    z_col: str | None = _read_by("--z-col", None)
    zerr_col: str | None = _read_by("--zerr-col", None)
    redshift: float | None = None
    redshift_err: float | None = None
    all_pixels: bool = False
    rescale_errors: bool = _read_by("--rescale-errors", False)
    err_kinds: tuple = _read_by("--err-kind", ())
    fills: tuple = _read_by("--fill", ())

    @property
    def key(self):
        """Options that change the pixels that are read; part of the key of ``--resume``.

        The files are known by the hashes of their bytes, and redshift, redshift_err and
        all_pixels are part of `pixsed.fit.options.FitOptions`.
        """
        return {
            item.metadata["option"]: getattr(self, item.name)
            for item in fields(self)
            if "option" in item.metadata
        }

    def absolute(self):
        """Return a copy with absolute paths."""
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
            Check the mosaics first, and warn of possible problems.

        Raises
        ------
        PixsedError
            If a file cannot be read, is on another grid, or has no redshifts.

        Warns
        -----
        PixsedWarning
            If the bands are not matched to one PSF, galaxies have no redshift, or errors
            disagree with the scatter of the sky.
        """
        with contextlib.ExitStack() as stack:
            images = open_images(stack, self.image_options())
            segmap = stack.enter_context(open_segmap(self.segmap)) if self.segmap else None
            mosaics = Mosaics(images, segmap, reproject=False)
            field = self.field(mosaics, self.open_redshift_map(stack), self.read_catalog())
            if check:
                warn_of_psfs(*psfs_of_images(images))
                field.check(self.catalog)
                if not self.rescale_errors:
                    mosaics.warn_of_errors()
            if any(image.is_compressed for image in images):
                mosaics.read_ahead()
            yield field

    def field(self, mosaics, redshift_map=None, catalog=None):
        """Return the `~pixsed.images.field.Field` of open files.

        Parameters
        ----------
        mosaics : `~pixsed.images.mosaics.Mosaics`
            The images, with the segmentation map.
        redshift_map : `~pixsed.images.field.RedshiftMap`, optional
            From `open_redshift_map`.
        catalog : dict, optional
            From `read_catalog`.
        """
        field = Field(
            mosaics,
            redshift=self.redshift,
            redshift_err=self.redshift_err,
            redshift_map=redshift_map,
            catalog=catalog,
            all_pixels=self.all_pixels,
            rescale_errors=self.rescale_errors,
        )
        others = [] if mosaics.segmap is None else [mosaics.segmap.location]
        others += [parse_location(text) for text in (self.redshift_map, self.catalog) if text]
        files = [name for image in mosaics.images for name in image.files]
        field.files = list(dict.fromkeys([*files, *(place.path for place in others)]))
        # The hashes of the files do not say which of their extensions are read.
        extensions = [place.extension for place in (*self.images, *others)]
        field.key = {"bands": field.bands, "extensions": extensions} | self.key
        return field

    def image_options(self):
        """Yield each image with the options of `~pixsed.io.image.ImageFile`."""
        none = (None,) * len(self.images)
        options = (self.units, self.errors, self.err_kinds, self.fills)
        names = ("unit", "err", "err_kind", "fill")
        for place, *values in zip(self.images, *(o or none for o in options), strict=True):
            yield place, dict(zip(names, values, strict=True))

    def open_redshift_map(self, stack):
        """Return the open `~pixsed.images.field.RedshiftMap`, which `stack` closes, or None."""
        if not self.redshift_map:
            return None
        place = parse_location(self.redshift_map)
        return RedshiftMap(stack.enter_context(open_fits(place.path, memmap=False)), place)

    def read_catalog(self):
        """Return the redshifts of the catalogue by id, or None if there is no catalogue."""
        if not self.catalog:
            return None
        return read_redshifts(
            self.catalog, id_col=self.id_col, z_col=self.z_col, zerr_col=self.zerr_col
        )


def _absolute(text):
    """Return the name of a file with its absolute path; other texts, as an extension, unchanged."""
    if text is None:
        return None
    place = parse_location(text)
    return str(place.absolute()) if Path(place.path).exists() else text

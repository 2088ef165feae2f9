"""Cut galaxies out of mosaics into photometric cubes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixsed.checks import check_choice, check_number, check_numbers
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.cutout_cube import bands_without_data, cut_cube
from pixsed.images.cutout_targets import Job, find_jobs
from pixsed.images.mosaics import Mosaics
from pixsed.images.quantity import to_number
from pixsed.images.segmap import open_segmap
from pixsed.io.formats.psfmatch import psfs_of_images, warn_of_psfs
from pixsed.io.image import open_images
from pixsed.io.locate import Location, expand_locations, parse_location

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

    from pixsed.io.formats.cube import Cube

    #: An image: ``[BAND=]path[EXT]``, and optionally the options of `~pixsed.io.image.ImageFile`.
    Image = str | Location | tuple[str | Location, dict]

#: Treatments of the pixels of other segments.
NEIGHBOURS = ("keep", "mask")


@dataclass(frozen=True)
class CutoutOptions:
    """Selection of galaxies, and options of their cutouts.

    Give exactly one of `segmap` (with `ids` or `all_ids`), `position` (with `size`) and `region`,
    and exactly one of `redshift`, `catalog` and `no_redshift`.

    Attributes
    ----------
    segmap : str, optional
        Segmentation map on the grid of the first image, ``path[EXT]``.
    ids : tuple of int, optional
        Galaxies to cut out, by their id in `segmap`. With `position`, the id of the galaxy.
    all_ids : bool, optional
        Cut out every galaxy of `segmap`; with `catalog`, every one that has a redshift in it.
    position : `~astropy.coordinates.SkyCoord` or (float, float), optional
        Centre of the cutout; RA and Dec in degrees.
    size : `~astropy.units.Quantity` or float, optional
        Side of the square around `position`, in arcsec if it has no unit.
    region : str, optional
        File of DS9 regions, one cube for each.
    redshift, redshift_err : float, optional
        Redshift of the galaxy and its 1-sigma error.
    no_redshift : bool, optional
        Cut out galaxies without a redshift, for models that infer it.
    catalog : str, optional
        Table of ids and redshifts.
    id_col, z_col, zerr_col : str, optional
        Columns of `catalog`; by default those with a usual name.
    pad : int or "full", optional
        Pixels around the segment or region, or the full image. By default 10; for one id the
        full image if it has at most 200 x 200 pixels.
    neighbours : {"keep", "mask"}, optional
        Keep the pixels of other segments, or set them to NaN.
    rescale_errors : bool, optional
        Scale the errors of each band to the scatter of its sky.

    Raises
    ------
    PixsedError
        If options are missing or exclude each other.
    """

    segmap: str | None = None
    ids: tuple[int, ...] = ()
    all_ids: bool = False
    position: SkyCoord | tuple[float, float] | None = None
    size: Quantity | float | None = None
    region: str | None = None
    redshift: float | None = None
    redshift_err: float | None = None
    no_redshift: bool = False
    catalog: str | None = None
    id_col: str | None = None
    z_col: str | None = None
    zerr_col: str | None = None
    pad: int | str | None = None
    neighbours: str = "keep"
    rescale_errors: bool = False

    def __post_init__(self):
        check_choice("neighbours", self.neighbours, NEIGHBOURS)
        if self.pad != "full":
            check_number("pad, if it is not 'full',", self.pad, 0, whole=True)
        check_numbers(self, {"redshift": {"above": 0}, "redshift_err": {"least": 0}})
        if not isinstance(self.ids, tuple | list):
            raise PixsedError(f"ids must be a tuple of ids, got {self.ids!r}")
        if self.position is not None:
            self._check_position()
        elif self.region is not None:
            if self.segmap or self.all_ids or self.ids:
                raise PixsedError("--region goes without --segmap, --id and --all")
        else:
            self._check_segmap()
        if self.size is not None and self.position is None:
            raise PixsedError("--size goes with --position; else, --pad")
        given = [self.redshift is not None, self.catalog is not None, self.no_redshift]
        if sum(given) != 1:
            raise PixsedError("give one of --redshift, --catalog and --no-redshift")
        if self.redshift_err is not None and self.redshift is None:
            raise PixsedError("--redshift-err goes with --redshift")
        if self.neighbours == "mask" and not self.segmap:
            raise PixsedError("--neighbours mask needs --segmap to identify them")

    def _check_position(self):
        if self.segmap or self.all_ids or self.catalog or self.region:
            raise PixsedError("--position goes without --segmap, --catalog, --all, --region")
        known = self.redshift is not None or self.no_redshift
        if self.size is None or not known or len(self.ids) > 1:
            raise PixsedError(
                "--position needs --size and --redshift or --no-redshift, and takes one --id"
            )
        check_number("size", self.size_arcsec, above=0)
        ra, dec = self.position_degrees
        check_number("the right ascension of position", ra)
        check_number("the declination of position", dec, -90, 90)

    def _check_segmap(self):
        if not self.segmap:
            raise PixsedError(
                "give --segmap with --id or --all, --position with --size, or --region"
            )
        if bool(self.ids) == self.all_ids:
            raise PixsedError("say which galaxies: --id ID, or --all")
        if self.redshift is not None and len(self.ids) != 1:
            raise PixsedError("--redshift is of one galaxy: with one --id")

    @property
    def position_degrees(self) -> tuple[float, float]:
        """RA and Dec of `position` in degrees."""
        position: Any = self.position
        if hasattr(position, "icrs"):
            return float(position.icrs.ra.deg), float(position.icrs.dec.deg)
        try:
            ra, dec = (float(to_number(angle, "deg")) for angle in position)
        except (TypeError, ValueError):
            raise PixsedError(
                f"position must be a SkyCoord, or RA and Dec in degrees, got {position!r}"
            ) from None
        return ra, dec

    @property
    def size_arcsec(self) -> float:
        """`size` in arcsec."""
        return float(to_number(self.size, "arcsec"))


@dataclass
class Cutout:
    """One galaxy cut out: its name, its cube, and one line of history per step."""

    name: str
    cube: Cube
    history: list[str]


class Cutouts:
    """Galaxies that are cut out of open mosaics one after another (`open_cutouts`).

    Attributes
    ----------
    names : list of str
        Names of the galaxies, in the order in which they are cut out.
    several : bool
        Whether more than one galaxy was requested.
    inputs : list of str
        Files that are read.
    psfmatch : dict of str to str
        PSFMATCH of each band.
    left_out : list of str
        Reasons why galaxies were left out, added during the iteration.
    """

    def __init__(self, mosaics: Mosaics, jobs: list[Job], options: CutoutOptions, inputs):
        self.several = options.all_ids or len(options.ids) > 1 or len(jobs) > 1
        self.inputs = inputs
        self.psfmatch = {image.band: image.psfmatch for image in mosaics.images}
        self.left_out: list[str] = []
        self._mosaics, self._options = mosaics, options
        # In the order of their rows, so that each mosaic is read once.
        self._jobs = sorted(jobs, key=lambda job: job.box[::2]) if self.several else jobs
        self.names = [job.target.name for job in self._jobs]

    def cut(self, progress: Callable = iter) -> Iterator[Cutout]:
        """Yield the `Cutout` of each galaxy.

        If there are several galaxies, those without data in any band are left out.

        Parameters
        ----------
        progress : callable, optional
            Wraps the list of galaxies, as `tqdm.tqdm` does.

        Raises
        ------
        PixsedError
            If no galaxy has data in any band.

        Warns
        -----
        PixsedWarning
            If a band has no data in a cube.
        """
        if self.several:
            self.read_ahead()
        galaxies_without: dict[str, int] = {}
        for job in progress(self._jobs):
            try:
                cut = self._cut(job)
            except PixsedError as error:
                if not self.several:
                    raise
                self.left_out.append(str(error))
                continue
            for band in bands_without_data(cut.cube):
                galaxies_without[band] = galaxies_without.get(band, 0) + 1
            yield cut
        self._warn_of_bands(galaxies_without)
        if len(self.left_out) == len(self._jobs):
            raise PixsedError(self.left_out[0])

    def read_ahead(self):
        """Read rows ahead from now on, for galaxies that are cut out in the order of `names`."""
        self._mosaics.read_ahead()

    def cut_one(self, name: str) -> Cutout:
        """Return the `Cutout` of a galaxy by its name, one of `names`.

        Raises
        ------
        PixsedError
            If it has no data in any band.
        """
        return self._cut(self._jobs[self.names.index(name)])

    def _cut(self, job):
        cube, history = cut_cube(
            self._mosaics,
            job.target,
            job.box,
            segmap=job.segmap,
            mask_neighbours=self._options.neighbours == "mask",
            rescale_errors=self._options.rescale_errors,
        )
        return Cutout(job.target.name, cube, history)

    def _warn_of_bands(self, galaxies_without):
        """Warn of bands without data; a dict of band to number of galaxies."""
        if not galaxies_without:
            return
        bands = ", ".join(
            f"{band} ({number} of the galaxies)" if self.several else band
            for band, number in galaxies_without.items()
        )
        warnings.warn(
            f"no data at all in {bands}: outside the image, or no usable error or weight there",
            PixsedWarning,
            stacklevel=3,
        )


@contextlib.contextmanager
def open_cutouts(images: Iterable[Image], options: CutoutOptions) -> Iterator[Cutouts]:
    """Yield the `Cutouts` of images, with the files open.

    The parameters, errors and warnings are those of `cutout`.
    """
    with contextlib.ExitStack() as stack:
        files = open_images(stack, _with_options(images))
        inputs = [name for image in files for name in image.files]
        segmap = None
        if options.segmap:
            segmap = stack.enter_context(open_segmap(options.segmap))
            inputs.append(segmap.location.path)
        mosaics = Mosaics(files, segmap)
        warn_of_psfs(*psfs_of_images(files))
        if options.catalog:
            inputs.append(parse_location(options.catalog).path)
        if options.region:
            inputs.append(options.region)
        cutouts = Cutouts(mosaics, find_jobs(mosaics, options), options, inputs)
        if not options.rescale_errors:
            mosaics.warn_of_errors()
        yield cutouts


def _with_options(images):
    """Yield the `Location` of each image, patterns expanded, and the options to open it."""
    for image in images:
        place, options = image if isinstance(image, tuple) else (image, {})
        places = [place] if isinstance(place, Location) else expand_locations([str(place)])
        for found in places:
            yield found, options


def cutout(images: Iterable[Image], options: CutoutOptions) -> list[Cube]:
    """Cut galaxies out of mosaics into photometric cubes, as ``pixsed cutout`` does.

    Parameters
    ----------
    images : sequence of str, `~pixsed.io.locate.Location` or tuple
        One per band, ``[BAND=]path[EXT]``; the first sets the pixel grid. A tuple also holds a
        dict of the options of `~pixsed.io.image.ImageFile`: err, err_kind, fill and unit.
    options : `CutoutOptions`

    Returns
    -------
    list of `~pixsed.io.formats.cube.Cube`
        One per galaxy, in the order of their rows. Flux and error in nJy; NaN = no data. If
        there are several galaxies, those without data in any band are left out.

    Raises
    ------
    PixsedError
        If a file cannot be read, a band comes twice, a galaxy is not on the image or has no
        usable redshift, or no galaxy has data.

    Warns
    -----
    PixsedWarning
        If bands are not matched to one PSF, are on another grid or have no data in a cube, errors
        disagree with the scatter of the sky, or galaxies have no redshift.

    Examples
    --------
    >>> from pixsed.images.cutout import CutoutOptions, cutout
    >>> options = CutoutOptions(segmap="seg.fits", ids=(531,), redshift=5.24)  # doctest: +SKIP
    >>> (cube,) = cutout(["F200W=f200w.fits", "F444W=f444w.fits"], options)  # doctest: +SKIP
    """
    with open_cutouts(images, options) as cutouts:
        return [cut.cube for cut in cutouts.cut()]

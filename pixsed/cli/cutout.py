"""`pixsed cutout`: mosaics and a segmentation map in, one cube per galaxy out."""

import click

from pixsed.cli.mosaics import (
    catalog,
    catalog_columns,
    errors,
    per_band,
    rescale_errors,
    segmap,
    units,
)
from pixsed.cli.options import FiniteRange, examples, hdu, output, quiet_verbose

EPILOG = examples(
    "pixsed cutout 'F*=JOF_531_F*.fits[SCI_PSFM]' --segmap JOF_531_seg.fits --id 531 "
    "--redshift 5.24 -o 531.fits",
    "pixsed cutout *_sci.fits --segmap seg.fits --catalog z.csv --all --neighbours mask -o cubes/",
)


@click.command(epilog=EPILOG)
@click.argument("images", nargs=-1, required=True, metavar="[BAND=]IMAGE...")
@segmap
@catalog
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Galaxy to cut out, by its id in the map; again, or 1,2,3, for more.",
)
@click.option(
    "--all",
    "all_ids",
    is_flag=True,
    help="Cut out every galaxy of the map that has a redshift in the catalogue.",
)
@click.option(
    "--redshift",
    type=FiniteRange(min=0, min_open=True),
    help="Redshift of the one galaxy, in place of a catalogue.",
)
@click.option(
    "--redshift-err",
    type=FiniteRange(min=0),
    metavar="FLOAT",
    help="Its 1-sigma error.  [default: 0, known]",
)
@catalog_columns
@click.option(
    "--position",
    nargs=2,
    metavar="RA DEC",
    help="Centre, without a map: degrees, or hours and degrees with colons.",
)
@click.option(
    "--size",
    type=FiniteRange(min=0, min_open=True),
    metavar="ARCSEC",
    help="Side of the square around --position.",
)
@click.option(
    "--region",
    metavar="FILE.reg",
    help="DS9 regions, in place of a map: one cube for each, named by its label.",
)
@click.option(
    "--pad",
    metavar="N|full",
    help="Pixels around the segment or region, or the full image.  [default: 10; full "
    "where one galaxy is asked for and the image is at most 200 x 200 pixels]",
)
@click.option(
    "--neighbours",
    type=click.Choice(["keep", "mask"]),
    default="keep",
    show_default=True,
    help="Whether pixels of other segments keep their flux.",
)
@errors
@units
@rescale_errors
@hdu
@output(help="Cube to write, or a folder for several galaxies, <ID>.fits each.")
@quiet_verbose
def command(
    images,
    segmap,
    catalog,
    ids,
    all_ids,
    redshift,
    redshift_err,
    id_col,
    z_col,
    zerr_col,
    position,
    size,
    region,
    pad,
    neighbours,
    errors,
    err_kinds,
    fills,
    units,
    rescale_errors,
    hdu,
    output,
    overwrite,
):
    """Cut galaxies out of mosaics into photometric cubes.

    A cube holds, band by band, flux and error in nJy on the pixels of the first
    image, the segmentation map with the neighbours' ids, and the depths measured on
    the cut's sky. Patterns in quotes are expanded: 'F*=jof_F*.fits[SCI]' names each
    band by what the * matched.
    """
    ids = _split_ids(ids)
    pad = _parse_pad(pad)
    _check_usage(
        segmap, catalog, ids, all_ids, redshift, redshift_err, position, size, region, neighbours
    )
    centre = _parse_position(position) if position else None

    import contextlib

    from pixsed.images.cutout import Mosaics
    from pixsed.images.segmap import open_segmap
    from pixsed.io.image import open_images
    from pixsed.io.locate import expand_locations, parse_location

    locations = expand_locations(images, hdu)
    of = per_band(locations, errors, units, err_kinds, fills)
    with contextlib.ExitStack() as stack:
        names = ("err", "unit", "err_kind", "fill")
        files = open_images(
            stack,
            (
                (place, {name: table[place] for name, table in zip(names, of, strict=True)})
                for place in locations
            ),
        )
        inputs = [name for image in files for name in image.files]
        seg = None
        if segmap:
            seg = stack.enter_context(open_segmap(segmap))
            inputs.append(seg.location.path)
        mosaics = Mosaics(files, seg)
        _tell_of_psfs({image.band: image.psfmatch for image in files})
        if catalog:
            inputs.append(parse_location(catalog).path)
        if region:
            inputs.append(region)
        redshifts = _redshifts(catalog, redshift, redshift_err, id_col, z_col, zerr_col)
        if position:
            jobs = [_job_at(mosaics, centre, size, ids, redshift, redshift_err)]
        elif region:
            jobs = _jobs_of_regions(mosaics, region, redshifts, catalog, pad)
        else:
            jobs = _jobs_in_map(mosaics, seg, redshifts, ids, catalog, pad)
        several = all_ids or len(ids) > 1 or len(jobs) > 1
        if not rescale_errors:
            mosaics.warn_of_errors()
        _write(
            mosaics,
            jobs,
            output,
            overwrite,
            several,
            inputs,
            mask_neighbours=neighbours == "mask",
            rescale_errors=rescale_errors,
        )


def _tell_of_psfs(psfmatch):
    """Warn of bands that are not matched alike; say so where no band tells its PSF.

    `psfmatch` is a dict of band -> PSFMATCH.
    """
    from pixsed.cli.options import say
    from pixsed.io.formats.psfmatch import says_nothing, warn_of_psfs

    warn_of_psfs(psfmatch)
    if says_nothing(psfmatch):
        say("none of the bands says to which PSF it is matched (no PSFMATCH)")


def _split_ids(values):
    ids = []
    for value in values:
        for word in value.split(","):
            if not word.strip().isdecimal() or not 0 < int(word) < 2**63:
                raise click.BadParameter(
                    f"{word!r} must be an id of the segmentation map, 1 or more", param_hint="--id"
                )
            if int(word) not in ids:
                ids.append(int(word))
    return ids


def _parse_pad(pad):
    if pad is None or pad == "full":
        return pad
    if not pad.isdecimal():
        raise click.BadParameter(f"{pad!r} must be a number of pixels, or full", param_hint="--pad")
    return int(pad)


def _parse_position(position):
    """Return RA and Dec in degrees."""
    ra, dec = (
        _parse_angle(text, unit, position)
        for text, unit in zip(position, ("hourangle", "deg"), strict=True)
    )
    if not -180 <= ra <= 360 or not -90 <= dec <= 90:
        swapped = "; RA comes first, then Dec" if -90 <= ra <= 90 else ""
        raise click.BadParameter(
            f"{' '.join(position)!r} is RA {ra:g}, Dec {dec:g}: they must be within 0 to 360 and "
            f"-90 to 90 degrees{swapped}",
            param_hint="--position",
        )
    return ra, dec


def _parse_angle(text, unit, position):
    """Return degrees: of a number itself, else of hours or degrees with colons or letters."""
    import math
    import warnings

    try:
        value = float(text)
    except ValueError:
        from astropy.coordinates import Angle

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of 60 seconds, which are a minute
                value = float(Angle(text, unit).deg)
        except (ValueError, TypeError):
            value = math.nan
    if not math.isfinite(value):
        raise click.BadParameter(
            f"{' '.join(position)!r} must be two numbers in degrees, or as 3:32:26 -27:51:34",
            param_hint="--position",
        )
    return value


def _check_usage(
    segmap, catalog, ids, all_ids, redshift, redshift_err, position, size, region, neighbours
):
    if position:
        if segmap or all_ids or catalog or region:
            raise click.UsageError("--position goes without --segmap, --catalog, --all, --region")
        if size is None or redshift is None or len(ids) > 1:
            raise click.UsageError("--position needs --size and --redshift, and takes one --id")
    elif region:
        if segmap or all_ids or ids:
            raise click.UsageError("--region goes without --segmap, --id and --all")
    else:
        if not segmap:
            raise click.UsageError(
                "give --segmap with --id or --all, --position with --size, or --region"
            )
        if bool(ids) == all_ids:
            raise click.UsageError("say which galaxies: --id ID, or --all")
        if redshift is not None and len(ids) != 1:
            raise click.UsageError("--redshift is of one galaxy: with one --id")
    if size is not None and not position:
        raise click.UsageError("--size goes with --position; else, --pad")
    if (redshift is None) == (catalog is None):
        raise click.UsageError("give either --redshift or --catalog")
    if redshift_err is not None and redshift is None:
        raise click.UsageError("--redshift-err goes with --redshift")
    if neighbours == "mask" and not segmap:
        raise click.UsageError("--neighbours mask needs --segmap to know them")


def _job_at(mosaics, centre, size, ids, redshift, redshift_err):
    from pixsed.images.cutout import Job, Target

    if ids:
        name = str(ids[0])
    else:
        from astropy.coordinates import SkyCoord

        sky = SkyCoord(*centre, unit="deg")
        ra = sky.ra.to_string("hour", sep="", precision=2, pad=True)
        dec = sky.dec.to_string("deg", sep="", precision=1, pad=True, alwayssign=True)
        name = f"J{ra}{dec}"
    return Job(Target(name, redshift, redshift_err or 0.0), mosaics.box_at(*centre, size))


def _redshifts(catalog, redshift, redshift_err, id_col, z_col, zerr_col):
    """Return what gives an id's (redshift, error): NaN where there is none."""
    from pixsed.errors import PixsedError

    if catalog is None:
        from pixsed.redshifts import check_redshift

        pair = redshift, redshift_err or 0.0
        check_redshift(*pair, None, "--redshift")
        return lambda number: pair
    from pixsed.images.catalog import read_redshifts

    table = read_redshifts(catalog, id_col=id_col, z_col=z_col, zerr_col=zerr_col)

    def of(number):
        found = table.get(number, (float("nan"), 0.0))
        if found is None:
            raise PixsedError(f"{catalog}: id {number} comes twice; keep one row of it")
        return found

    return of


def _jobs_of_regions(mosaics, path, redshifts, catalog, pad):
    from pixsed.errors import PixsedError
    from pixsed.images.cutout import Job, Target
    from pixsed.images.regions import read_regions
    from pixsed.redshifts import redshift_dq

    jobs = []
    for region in read_regions(path, mosaics.wcs):
        redshift, redshift_err = redshifts(region.number)
        if redshift_dq(redshift, redshift_err):
            raise PixsedError(
                f"{catalog} has no redshift of region {region.number}, or one with a bad error; "
                "mend it, or give --redshift"
            )
        if not mosaics.holds(region.box):
            raise PixsedError(
                f"{path}: region {region.number} is not on {mosaics.images[0].name}; remove it"
            )
        box = _padded(mosaics, region.box, pad, False)
        target = Target(str(region.number), redshift, redshift_err)
        jobs.append(Job(target, box, region.segmap(box)))
    return jobs


def _padded(mosaics, box, pad, one):
    """Return the box to cut: `pad` as asked for, or by default."""
    from pixsed.images.cutout import SMALL_IMAGE

    ny, nx = mosaics.shape
    if pad == "full" or (pad is None and one and max(ny, nx) <= SMALL_IMAGE):
        return 0, ny, 0, nx
    return mosaics.box_around(box, 10 if pad is None else pad)


def _jobs_in_map(mosaics, seg, redshifts, ids, catalog, pad):
    """Return the `Job` of each galaxy asked for; with --all, of those that can be cut."""
    from pixsed.errors import PixsedError
    from pixsed.images.catalog import check_redshifts
    from pixsed.images.cutout import Job, Target
    from pixsed.redshifts import redshift_dq

    boxes = seg.boxes(ids or None)
    numbers = list(ids) or sorted(boxes)
    for number in numbers:
        if number not in boxes:
            raise PixsedError(f"id {number} is not in {seg.name}; is it the map's own numbering?")
    found = [redshifts(number) for number in numbers]
    if ids:
        for number, pair in zip(numbers, found, strict=True):
            if redshift_dq(*pair):
                raise PixsedError(
                    f"{catalog} has no redshift of id {number}, or one with a bad error; mend it, "
                    "or give --redshift"
                )
    good = check_redshifts(numbers, found, seg.name, catalog)
    return [
        Job(Target(str(number), *pair), _padded(mosaics, boxes[number], pad, len(ids) == 1))
        for number, pair, use in zip(numbers, found, good, strict=True)
        if use
    ]


def _write(mosaics, jobs, output, overwrite, several, inputs, **options):
    """Cut and write, having made sure first that every output may be written."""
    from pathlib import Path

    from tqdm import tqdm

    from pixsed.cli.options import say, show_progress
    from pixsed.errors import PixsedError
    from pixsed.images.cutout import bands_without_data
    from pixsed.io.formats.cube import write_cube
    from pixsed.io.outputs import check_fits_output, check_folder

    folder = Path(output) if several or output.endswith("/") or Path(output).is_dir() else None
    if folder:
        check_folder(output, "cubes")
        folder.mkdir(parents=True, exist_ok=True)
    if several:
        jobs = mosaics.in_order(jobs)
    paths = [str(folder / f"{job.target.name}.fits") if folder else output for job in jobs]
    for path in paths:
        check_fits_output(path, overwrite)
    # A galaxy off every image ends one that was asked for, not the rest of many.
    empty, lacking = [], {}
    for path, job in zip(
        tqdm(paths, unit="galaxy", disable=not (several and show_progress())), jobs, strict=True
    ):
        try:
            cube, history = mosaics.cut(job.target, job.box, segmap=job.segmap, **options)
        except PixsedError as error:
            if not several:
                raise
            empty.append(str(error))
            continue
        write_cube(cube, path, overwrite, inputs=inputs, history=history)
        without = bands_without_data(cube)
        for band in without:
            lacking.setdefault(band, []).append(job.target.name)
        if not several:
            ny, nx = cube.shape
            number = f"{len(cube.bands)} bands"
            if without:
                number = f"{len(cube.bands) - len(without)} of {number} with data"
            say(f"{path}: {number}, {nx} x {ny} pixels, z = {cube.redshift:g}")
    _warn_of_bands(lacking, several)
    if len(empty) == len(paths):
        raise PixsedError(empty[0])
    if several:
        say(f"{folder}: {len(paths) - len(empty)} cubes")
    if empty:
        say(f"{len(empty)} left out: {empty[0]}" + (", and more" if len(empty) > 1 else ""))


def _warn_of_bands(lacking, several):
    """Warn of bands without any data: a dict of band -> names of galaxies."""
    import warnings

    from pixsed.errors import PixsedWarning

    if not lacking:
        return
    listed = ", ".join(
        f"{band} ({len(names)} of the galaxies)" if several else band
        for band, names in lacking.items()
    )
    warnings.warn(
        f"no data at all in {listed}: outside the image, or no error or weight of use there",
        PixsedWarning,
        stacklevel=2,
    )
